"""The clips' audio: the first ones stay in memory, the others are read from disk each time they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from speechtune.data.sets.clips import Clip, read_clip, read_clip_sound
from speechtune.training.material.clip_check import ClipCheck
from speechtune.training.stages import Progress

_KEPT_BYTES = 256 << 20
"""Four thousand clips of a second."""

_Samples = NDArray[np.float32]


class ClipAudio(Sequence[_Samples]):
    """Each clip as float32[any] at 16 kHz, in the order of `clips`.

    All are read once when this is made, so that one that cannot be read is known before any work is done.

    Raises:
        AudioError: a clip cannot be read; the message names its file.

    Attributes:
        check: what is wrong with them.
    """

    def __init__(self, clips: Sequence[Clip], progress: Progress) -> None:
        self._clips = clips
        self.check = ClipCheck()
        self._kept: list[_Samples] = []
        num_bytes = 0
        for index, clip in enumerate(clips):
            progress("read clips", index, len(clips))
            sound = read_clip_sound(clip)
            self.check.hear(clip, sound)
            samples = sound.samples
            num_bytes += samples.nbytes
            if num_bytes <= _KEPT_BYTES:
                self._kept.append(samples)
        progress("read clips", len(clips), len(clips))

    def __len__(self) -> int:
        return len(self._clips)

    @overload
    def __getitem__(self, index: int) -> _Samples: ...
    @overload
    def __getitem__(self, index: slice) -> list[_Samples]: ...
    def __getitem__(self, index: int | slice) -> _Samples | list[_Samples]:
        """One clip, or a list of some."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        return self._kept[position] if position < len(self._kept) else read_clip(self._clips[position])


class ChosenAudio(Sequence[_Samples]):
    """Some of the clips' audio, each float32[any] at 16 kHz, in the order of `indices`."""

    def __init__(self, samples: Sequence[_Samples], indices: Iterable[int]) -> None:
        self._samples, self._indices = samples, tuple(indices)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> _Samples: ...
    @overload
    def __getitem__(self, index: slice) -> list[_Samples]: ...
    def __getitem__(self, index: int | slice) -> _Samples | list[_Samples]:
        """One clip, or a list of some."""
        if isinstance(index, slice):
            return [self._samples[position] for position in self._indices[index]]
        return self._samples[self._indices[index]]
