"""What nothing can be learnt from is refused or noted before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechtune.errors import UnsplittableError
from speechtune.labels import LabelSet
from speechtune.recipe import Recipe
from speechtune.training.finetune import TrainingData
from speechtune.training.material.clip_check import uneven_notes
from speechtune.training.material.training_set import read_training_set
from speechtune.training.stages import silent
from tests.support.clips import make_folder, word_like, write_audio


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data", {"yes": 4, "no": 4})


def notes_of(data: Path, keywords: tuple[str, ...] = ("yes", "no")) -> str:
    return "\n".join(read_training_set(TrainingData(data, keywords), Recipe(), silent).notes)


def test_sound_clips_are_not_noted(data: Path) -> None:
    notes = notes_of(data)
    assert not any(word in notes for word in ("silent", "clipped", "recording", "channels"))


def test_a_keyword_whose_clips_are_all_silent_is_refused(data: Path) -> None:
    for path in (data / "yes").iterdir():
        write_audio(path, np.zeros(8_000, np.float32))
    with pytest.raises(UnsplittableError, match=r"all 4 clips of 'yes' are silent, such as .*yes/0\.wav; run"):
        notes_of(data)


def test_a_silent_clip_and_one_clipped_through_are_noted(data: Path) -> None:
    write_audio(data / "yes" / "0.wav", np.zeros(8_000, np.float32))
    write_audio(data / "no" / "1.wav", np.clip(40.0 * word_like(7, 8_000), -1, 1))
    notes = notes_of(data)
    assert f"1 clip ({data / 'yes' / '0.wav'}): silent" in notes
    assert f"1 clip ({data / 'no' / '1.wav'}): clipped through" in notes


def test_channels_that_cancel_are_heard_and_noted(data: Path) -> None:
    for number in range(4):
        word = word_like(number, 8_000)
        write_audio(data / "yes" / f"{number}.wav", np.stack([word, -word], axis=1))
    read = read_training_set(TrainingData(data, ("yes", "no")), Recipe(), silent)
    assert min(np.abs(samples).max() for samples in read.samples) > 0.2
    assert f"4 clips ({data / 'yes' / '0.wav'} and others): its channels cancel each other" in "\n".join(read.notes)


def test_one_recording_many_times_over_is_noted_and_refused_where_there_is_no_other(data: Path) -> None:
    for number in range(4):
        write_audio(data / "yes" / f"{number}.wav", word_like(5, 8_000))
    assert "all 4 clips of 'yes' are one and the same recording" in notes_of(data)
    write_audio(data / "no" / "0.wav", word_like(5, 8_000))
    assert "one recording is there as no and as yes" in notes_of(data)
    for number in range(4):
        write_audio(data / "no" / f"{number}.wav", word_like(5, 8_000))
    with pytest.raises(UnsplittableError, match="all clips of no, yes hold the same recording"):
        notes_of(data)


def test_labels_with_many_times_the_clips_of_others_are_told_with_the_numbers() -> None:
    labels = LabelSet(("yes", "no", "up"), ("_unknown_", "noise"))
    even = {"yes": 10, "no": 10, "up": 10, "_unknown_": 900, "noise": 100}
    assert uneven_notes(even, labels) == ()
    (note,) = uneven_notes({"yes": 5, "no": 6, "up": 4, "noise": 100}, labels)
    assert note == "100 clips of 'noise' beside 5 of the usual command (20 : 1): record more of the commands"
    (note,) = uneven_notes({"yes": 100, "no": 80, "up": 1, "noise": 100}, labels)
    assert note.startswith("1 clip of 'up' beside 100 of 'yes' (100 : 1): ")


def test_a_rare_label_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    data = make_folder(tmp_path / "data", {"yes": 20, "no": 2})
    assert "2 clips of 'no' beside 20 of 'yes' (10 : 1): rare commands are missed more often" in notes_of(data)
