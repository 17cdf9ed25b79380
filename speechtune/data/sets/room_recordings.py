"""Recordings of the place where a model will listen: what is said there without meaning it, and how it sounds there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.stretches import count_samples, read_stretch
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.data.sets.folders import load_unlabelled
from speechtune.errors import ManifestError
from speechtune.labels import UNKNOWN

_SHORTEST_BETWEEN = samples_from_ms(500)
_SHORTEST_SOUND = samples_from_ms(2_000)
_LONGEST_SOUND = samples_from_ms(60_000)


def load_room(path: Path) -> ClipSet:
    """A recording, or all in and below a folder, as clips of `_unknown_` speech.

    Raises:
        ManifestError: nothing there, or no audio in the folder.
    """
    if path.is_dir():
        return load_unlabelled(path)
    if not path.is_file():
        raise ManifestError(f"{path}: is not there; name a recording of the room, or a folder of recordings")
    return ClipSet(path, (Clip(path=path, label=UNKNOWN),), (), ())


def sound_between(room: ClipSet, pieces: Sequence[Clip]) -> NDArray[np.float32] | None:
    """What lies between the pieces of speech of a room's recordings, float32[2 s to 60 s] at 16 kHz; None: too little.

    Args:
        room: of `load_room`.
        pieces: of its speech, among others; see `cut_long_clips`.

    Raises:
        UnreadableAudioError: a recording cannot be read.
    """
    sounds: list[NDArray[np.float32]] = []
    total = 0
    for path in dict.fromkeys(clip.path for clip in room.clips):
        end, length = 0, count_samples(path)
        stretches = sorted(piece.stretch for piece in pieces if piece.path == path)
        for start, after in (*((first, last or length) for first, last in stretches), (length, length)):
            if start - end >= _SHORTEST_BETWEEN and total < _LONGEST_SOUND:
                sounds.append(read_stretch(path, end, min(start, end + _LONGEST_SOUND - total)))
                total += len(sounds[-1])
            end = max(end, after)
    return np.concatenate(sounds) if total >= _SHORTEST_SOUND else None
