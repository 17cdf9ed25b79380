"""Who judges where every clip is held out in turn."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from speechtune.data.sets.clips import Clip
from speechtune.labels import LabelSet
from speechtune.models.classifier.head import KeywordHead
from speechtune.recipe import HeadSettings
from speechtune.training.head import cross_fitting
from speechtune.training.head.cross_fitting import OutOfFold, cross_fit
from speechtune.training.head.fitting import HeadTrainer
from speechtune.training.material.dealt_folds import deal
from speechtune.training.material.embedding_cache import EmbeddedClips
from speechtune.training.stages import silent
from tests.support.clips import named_clip
from tests.support.training import training_set

LABELS = LabelSet(("yes", "no"), ("cat", "dog", "house"))


def clips_of(num_recorded: int, num_synthetic: int) -> list[Clip]:
    recorded = [named_clip(n, label, f"person{n}") for label in LABELS.classes[:5] for n in range(num_recorded)]
    made = [
        Clip(clip.path, clip.label, speaker=f"voice{n}", synthetic=True)
        for label in LABELS.classes[:5]
        for n, clip in enumerate(named_clip(100 + n, label) for n in range(num_synthetic))
    ]
    return recorded + made


def embedded(clips: list[Clip], labels: LabelSet = LABELS) -> EmbeddedClips:
    """Each label has a direction of its own."""
    targets = [labels.classes.index(clip.label) for clip in clips]
    rng = np.random.default_rng(0)
    silence = len(labels.classes) - 1
    rows = np.eye(6)[[*targets, silence, silence]] + 0.1 * rng.standard_normal((len(clips) + 2, 6))
    return EmbeddedClips(
        training_set(labels, clips),
        torch.from_numpy(rows.astype(np.float32)),
        torch.tensor([*targets, silence, silence]),
        np.arange(len(clips) + 2),
        np.ones(len(clips) + 2, dtype=bool),
        np.zeros(len(clips) + 2, dtype=bool),
    )


def cross_fitted(rows: EmbeddedClips, num_folds: int = 5) -> OutOfFold:
    head = KeywordHead((6,), len(rows.read.labels.classes))
    return cross_fit(head, rows, deal(rows.read, num_folds), HeadTrainer(HeadSettings()), silent)


def test_synthetic_clips_are_not_among_those_that_thresholds_are_chosen_on() -> None:
    clips = clips_of(4, 3)
    assert all(not clip.synthetic for clip in clips[:20])
    held_out = cross_fitted(embedded(clips))
    assert {int(name) for name in held_out.predictions.clip_ids} == set(range(20))
    assert not any("synthetic" in note for note in held_out.notes)


def test_the_temperature_is_fitted_on_recorded_keyword_clips_and_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    def spy(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        seen.append(sorted(targets.tolist()))
        return 1.0

    monkeypatch.setattr(cross_fitting, "fit_temperature", spy)
    clips = clips_of(4, 3)
    cross_fitted(embedded(clips))
    assert seen == [[0] * 4 + [1] * 4 + [5] * 2]  # a word that was held out has no class to hit


def test_of_synthetic_clips_alone_all_judge_and_it_is_said() -> None:
    clips = clips_of(0, 4)
    held_out = cross_fitted(embedded(clips))
    assert len(held_out.predictions) == 20
    assert any("every keyword clip is synthetic" in note for note in held_out.notes)


WORDS = ("cat", "dog", "house", "tree")


@pytest.mark.parametrize(("num_words", "num_folds"), [(2, 2), (2, 5), (3, 5), (3, 20)])
def test_no_negative_word_is_scored_by_a_head_that_heard_it(
    num_words: int, num_folds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = LabelSet(("yes", "no"), WORDS[:num_words])
    clips = [named_clip(n, label, f"person{n}") for label in labels.classes[:-1] for n in range(6)]
    rows = embedded(clips, labels)
    heard: list[set[int]] = []

    def spy(trainer: HeadTrainer, head: KeywordHead, embedded: EmbeddedClips, rows: torch.Tensor) -> None:
        heard.append(set(rows.tolist()))

    monkeypatch.setattr(HeadTrainer, "train", spy)
    held_out = cross_fitted(rows, num_folds)
    everything = set(range(len(clips) + 2))
    negatives = {n for n, clip in enumerate(clips) if clip.label in labels.negatives}
    assert set().union(*(everything - one for one in heard)) == everything
    for trained in heard:
        scored = {clips[n].label for n in negatives - trained}
        assert not scored & {clips[n].label for n in negatives & trained}
    assert held_out.notes == ()
