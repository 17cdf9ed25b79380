"""What is read to be learnt from is known again: its version, and what a killed run may go on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speechtune.data.sets.clips import fingerprint
from speechtune.data.sets.loading import load_clips
from speechtune.recipe import Recipe
from speechtune.training import finetune as finetuning
from speechtune.training.finetune import TrainingData, finetune
from tests.support.clips import make_folder, word_like, write_audio

LABELS = {"yes": 4, "no": 4, "cat": 3, "dog": 3}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data", LABELS)


def recipe(encoder: str, **tune: object) -> Recipe:
    small = {"augment": {"copies": 0}, "head": {"silence_clips": 5}, "encoder": {"name": encoder}, "tune": tune}
    return Recipe.model_validate(small)


def test_the_version_of_the_data_is_that_of_the_clips_as_they_are_given(
    data: Path, tmp_path: Path, encoder: str
) -> None:
    write_audio(data / "talk" / "0.wav", np.concatenate([word_like(seed, 14_000) for seed in range(20, 26)]))
    lines: list[dict[str, object]] = [
        {"path": path.as_posix(), "label": path.parent.name} for path in sorted(data.glob("*/*.wav"))
    ]
    for line in lines[:3]:
        line |= {"label": "_unknown_", "word": "lamp"}
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    clips = TrainingData(tmp_path / "clips.jsonl", ("yes", "no"))
    facts = finetune(clips, tmp_path / "model", recipe(encoder)).checkpoint.training
    assert facts["data_fingerprint"] == fingerprint(load_clips(tmp_path / "clips.jsonl"))
    num_clips = facts["num_clips"]
    assert isinstance(num_clips, dict)
    assert num_clips["lamp"] == 3
    assert sum(int(str(number)) for number in num_clips.values()) > len(lines)


def test_a_killed_run_is_not_gone_on_with_where_noise_speakers_or_marks_changed(
    data: Path, tmp_path: Path, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def begin(path: Path, identity: str) -> None:
        seen.append(identity)
        raise KeyboardInterrupt

    monkeypatch.setattr(finetuning, "SavedState", begin)
    settings = recipe(encoder, method="full", precision="float32")

    def identity(noise: Path | None = None, **fields: object) -> str:
        paths = sorted(data.glob("*/*.wav"))
        lines = [{"path": path.as_posix(), "label": path.parent.name} for path in paths]
        lines[0] |= fields
        (tmp_path / "clips.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        with pytest.raises(KeyboardInterrupt):
            finetune(TrainingData(tmp_path / "clips.jsonl", ("yes", "no"), noise=noise), tmp_path / "m", settings)
        return seen[-1]

    write_audio(tmp_path / "noise" / "hum.wav", 0.1 * word_like(1, 40_000))
    with_noise = identity(tmp_path / "noise")
    write_audio(tmp_path / "noise" / "hum.wav", 0.1 * word_like(2, 40_000))
    different = [
        identity(),
        with_noise,
        identity(tmp_path / "noise"),
        identity(speaker="ann"),
        identity(synthetic=True),
    ]
    assert len(set(different)) == len(different)
    assert identity() == different[0]
