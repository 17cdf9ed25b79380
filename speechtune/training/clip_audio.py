"""The clips' audio: the first ones stay in memory, the others are read from disk each time they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from speechtune.data.clips import Clip, read_clip, read_clip_sound
from speechtune.training.clip_check import ClipCheck
from speechtune.training.stages import Progress

_KEPT_BYTES = 256 << 20
"""Four thousand clips of a second."""


class ClipAudio(Sequence[NDArray[np.float32]]):
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
        self._kept: list[NDArray[np.float32]] = []
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
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.float32]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """One clip, or a list of some."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        return self._kept[position] if position < len(self._kept) else read_clip(self._clips[position])
