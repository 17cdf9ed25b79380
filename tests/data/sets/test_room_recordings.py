"""A room's recordings: speech without a command, and what lies between."""

from pathlib import Path

import numpy as np
import pytest

from speechtune.data.sets.clips import Clip
from speechtune.data.sets.room_recordings import load_room, sound_between
from speechtune.errors import ManifestError
from speechtune.labels import UNKNOWN
from tests.support.clips import write_audio


def test_a_file_or_a_folder_of_them_is_unknown_speech(tmp_path: Path) -> None:
    one = write_audio(tmp_path / "room" / "evening.wav", np.full(16_000, 0.1, dtype=np.float32))
    write_audio(tmp_path / "room" / "morning.wav", np.full(16_000, 0.1, dtype=np.float32))
    assert [(clip.path, clip.label) for clip in load_room(one).clips] == [(one, UNKNOWN)]
    assert len(load_room(tmp_path / "room").clips) == 2
    with pytest.raises(ManifestError, match="name a recording of the room"):
        load_room(tmp_path / "nowhere.wav")


def test_what_lies_between_the_pieces_is_kept_and_nothing_of_them(tmp_path: Path) -> None:
    samples = np.full(160_000, 0.1, dtype=np.float32)
    samples[32_000:64_000] = 0.5
    samples[68_000:100_000] = 0.5
    path = write_audio(tmp_path / "room.wav", samples)
    pieces = [Clip(path, UNKNOWN, start_sample=start, end_sample=start + 32_000) for start in (68_000, 32_000)]
    sound = sound_between(load_room(path), pieces)
    assert sound is not None
    assert len(sound) == 32_000 + 60_000  # what lies between the pieces, a quarter of a second, is too short
    assert sound.max() < 0.2


def test_of_a_room_that_is_never_quiet_there_is_none(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "room.wav", np.full(48_000, 0.1, dtype=np.float32))
    assert sound_between(load_room(path), [Clip(path, UNKNOWN, start_sample=0, end_sample=40_000)]) is None
    assert sound_between(load_room(path), [Clip(path, UNKNOWN)]) is None
