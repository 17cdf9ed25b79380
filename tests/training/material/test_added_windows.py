"""Running speech in training: a class of its own, made within folds, and it judges nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from speechtune.labels import PARTS, UNKNOWN, LabelSet
from speechtune.models.checkpoints.checkpoint import load_checkpoint
from speechtune.models.classifier.head import KeywordHead
from speechtune.recipe import Recipe
from speechtune.training.finetune import TrainingData, finetune
from speechtune.training.head import cross_fitting
from speechtune.training.head.fitting import HeadTrainer
from speechtune.training.head.training_run import TrainingRun
from speechtune.training.material import added_windows as module
from speechtune.training.material.added_windows import added_windows
from speechtune.training.material.embedding_cache import EmbeddedClips, embed_clips
from speechtune.training.material.training_set import with_added_classes
from speechtune.training.material.windows import Variation
from speechtune.training.stages import silent
from tests.support.clips import make_folder, named_clip
from tests.support.encoders import random_classifier, save_random_model
from tests.support.training import training_set

WORDS = ("bed", "bird", "cat", "dog", "eight", "five")


def recipe(running_speech: int, silence_clips: int = 3, copies: int = 1) -> Recipe:
    return Recipe.model_validate(
        {
            "head": {
                "running_speech": running_speech,
                "silence_clips": silence_clips,
                "background_speech": 0,
                "command_parts": 0,
            },
            "augment": {"copies": copies},
            "calibration": {"folds": 3},
        }
    )


def variation(settings: Recipe) -> Variation:
    return Variation(16_000, settings.augment, [], hears_log_mel=True)


def test_a_class_for_it_is_added_only_where_it_is_wanted_and_missing() -> None:
    labels = LabelSet(("yes",), WORDS)
    assert with_added_classes(labels, recipe(0)) is labels
    assert with_added_classes(labels, recipe(9)).negatives == (UNKNOWN, *WORDS)
    there = LabelSet(("yes",), (UNKNOWN, *WORDS))
    assert with_added_classes(there, recipe(9)) is there


def test_with_too_few_negative_words_there_is_no_running_speech() -> None:
    labels = LabelSet(("yes",), (UNKNOWN, *WORDS[:2]))
    read = training_set(labels, ("yes", *WORDS[:2]), [np.ones(4_000, dtype=np.float32)] * 3)
    added = added_windows(read, recipe(9), variation(recipe(9)), first=6)
    assert len(added.targets) == 0


def test_background_speech_teaches_unknown_and_a_part_counts_as_its_clip() -> None:
    wanted = recipe(0).model_dump() | {"head": {"background_speech": 6, "command_parts": 2, "silence_clips": 3}}
    settings = Recipe.model_validate(wanted)
    labels = with_added_classes(LabelSet(("lights on",)), settings)
    assert labels.negatives == (UNKNOWN, PARTS)
    rng = np.random.default_rng(0)
    loud = np.pad(0.1 * rng.standard_normal(12_000), 3_200).astype(np.float32)
    read = training_set(labels, ["lights on"] * 2, [loud, loud])
    added = added_windows(read, settings, variation(settings), first=5)
    assert [labels.classes[target] for target in added.targets] == [UNKNOWN] * 6 + [PARTS] * 4
    assert added.clips.tolist() == [5, 6, 7, 8, 9, 10, 0, 0, 1, 1]
    assert all(window.samples.shape == (16_000,) and window.samples.any() for window in added)


def test_a_stretch_is_made_of_the_negative_words_of_its_own_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = LabelSet(("yes", "no"), (UNKNOWN, *WORDS))
    targets = [labels.classes.index(word) for word in ("yes", "no", *WORDS)]
    samples = [np.full(4_000, 0.01 * (target + 1), dtype=np.float32) for target in targets]
    monkeypatch.setattr(module, "spoken_part", lambda clip: clip)
    used: list[set[int]] = []

    def spy(words: list[np.ndarray], window_samples: int, rng: np.random.Generator) -> np.ndarray:
        used.append({round(float(word[0]) * 100) - 1 for word in words})
        return words[0][:window_samples]

    monkeypatch.setattr(module, "running_speech", spy)
    read = training_set(labels, ("yes", "no", *WORDS), samples)
    windows = list(added_windows(read, recipe(6), variation(recipe(6)), first=len(targets) + 3))
    assert len(windows) == 6
    assert [window.spectral_rng is None for window in windows].count(True) == 2
    of_fold = [{labels.classes.index(word) for word in WORDS[fold::3]} for fold in range(3)]
    assert used == [of_fold[(len(targets) + 3 + number) % 3] for number in range(6)]


def test_what_is_held_out_lies_in_no_stretch_that_is_learnt_and_stretches_judge_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = LabelSet(("yes", "no"), (UNKNOWN, *WORDS))
    clips = [named_clip(n, label, f"p{n}") for label in ("yes", "no", *WORDS) for n in range(3)]
    classifier = random_classifier(labels=labels)
    rng = np.random.default_rng(0)
    samples = [(0.1 * rng.standard_normal(8_000)).astype(np.float32) for _ in clips]
    run = TrainingRun(classifier, torch.device("cpu"), recipe(9), HeadTrainer(recipe(9).head), silent)
    read = training_set(labels, clips, samples)
    embedded = run.embed(read)
    unknown = labels.classes.index(UNKNOWN)
    assert (embedded.targets == unknown).sum() == 9
    assert len(embedded.targets) == 2 * len(clips) + 3 + 9
    learnt: list[np.ndarray] = []
    really = HeadTrainer.train

    def spy(trainer: HeadTrainer, head: KeywordHead, embedded: EmbeddedClips, rows: torch.Tensor) -> None:
        learnt.append(rows.numpy())
        really(trainer, head, embedded, rows)

    temperatures: list[np.ndarray] = []
    monkeypatch.setattr(HeadTrainer, "train", spy)
    monkeypatch.setattr(cross_fitting, "fit_temperature", lambda logits, judged: temperatures.append(judged) or 1.0)
    held_out = run.cross_fit(embedded, run.deal(read))
    assert len(held_out.predictions) == len(clips)
    assert unknown not in temperatures[0]
    for rows in learnt:
        of_words = {word for word in WORDS if labels.classes.index(word) in embedded.targets.numpy()[rows]}
        stretches = [clip for clip in embedded.clips[rows] if clip >= len(clips) + 3]
        made_of = {word for clip in stretches for word in WORDS[clip % 3 :: 3]}
        assert len(stretches) == 6
        assert made_of == of_words


def test_without_silence_windows_there_are_none() -> None:
    classifier = random_classifier(labels=LabelSet(("yes",)))
    read = training_set(classifier.labels, ["yes"], [np.ones(8_000, dtype=np.float32)])
    assert len(embed_clips(classifier, read, recipe(0, silence_clips=0), silent).targets) == 2


def test_a_model_that_learnt_it_has_a_class_for_it_and_counts_only_clips(tmp_path: Path) -> None:
    save_random_model("whisper", tmp_path / "encoder")
    data = make_folder(tmp_path / "data", dict.fromkeys(("yes", "no", *WORDS), 3))
    settings = Recipe.model_validate({**recipe(9).model_dump(), "encoder": {"name": str(tmp_path / "encoder")}})
    result = finetune(TrainingData(data, ("yes", "no")), tmp_path / "model", settings)
    assert result.checkpoint.classifier.labels.negatives == (UNKNOWN, *WORDS)
    assert result.num_clips == dict.fromkeys(("yes", "no", *WORDS), 3)
    assert set(load_checkpoint(tmp_path / "model").thresholds) == {"yes", "no"}
