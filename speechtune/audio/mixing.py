"""Several channels to one: their mean, or the louder one where they cancel each other, as in a cable wired wrong."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_CANCELS = 0.1
"""Share of the power that the mean of unrelated channels would have, below which they cancel each other."""
_CANCELS_AT_ONCE = 0.01
_SURE_BLOCKS, _SURE_AT_ONCE_BLOCKS = 10, 2
_BLOCKS_PER_SECOND = 50
_KEPT_PER_BLOCK = 0.98  # a second: channels that begin to cancel are found out though they once did not


class ChannelPowers:
    """How strong channels are, and their mean; a constant offset does not count, nobody hears it."""

    def __init__(self, channels: int) -> None:
        self._channels: NDArray[np.float64] = np.zeros(channels)
        self._mean = 0.0

    def hear(self, frames: NDArray[np.float32], mean: NDArray[np.float32], kept: float = 1.0) -> bool:
        """Take float32[N, C] and its mean float32[N]; what was heard before counts `kept`. Gives whether any sounds."""
        power = np.var(frames, axis=0, dtype=np.float64) * len(frames)
        if not power.any():
            return False
        self._channels = kept * self._channels + power
        self._mean = kept * self._mean + float(np.var(mean, dtype=np.float64)) * len(mean)
        return True

    def cancel(self, share: float = _CANCELS) -> bool:
        """Whether the mean has less than `share` of the power that the mean of unrelated channels has."""
        return self._mean < share * float(self._channels.sum()) / len(self._channels) ** 2

    @property
    def loudest(self) -> int:
        """The strongest channel, counted from 1."""
        return int(self._channels.argmax()) + 1

    @property
    def note(self) -> str:
        """One sentence on channels that cancel."""
        lost_db = 10.0 * math.log10(float(self._channels.max()) / max(self._mean, 1e-12 * float(self._channels.max())))
        return (
            f"its channels cancel each other: their mean is {lost_db:.0f} dB below channel {self.loudest}, which alone "
            "is heard; say which one to take with channel"
        )


class ChannelMixer:
    """Frames of a live stream to one channel; what comes out does not depend on how they were cut.

    It begins with the mean. Once a few hundredths of a second of sound say that the channels cancel, it goes on with
    the loudest of them, to the end.

    Attributes:
        channel: the one that is taken now, counted from 1; None: the mean of all.
        note: what it does about channels that cancel, one sentence; None: they do not.
    """

    def __init__(self, channels: int, rate_hz: int) -> None:
        self.note: str | None = None
        self._powers = ChannelPowers(channels)
        self._block = max(rate_hz // _BLOCKS_PER_SECOND, 1)
        self._waiting: list[NDArray[np.float32]] = []
        self._num_waiting = 0
        self._num_blocks = 0
        self.channel: int | None = None

    def mix(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[N, C] to float32[N]."""
        mono: NDArray[np.float32] = frames.mean(axis=1, dtype=np.float32)
        place = 0
        while self.channel is None and place < len(frames):
            part = frames[place : place + self._block - self._num_waiting]
            self._waiting.append(part)
            self._num_waiting += len(part)
            place += len(part)
            if self._num_waiting == self._block:
                self._end_block()
        if self.channel is not None:
            mono[place:] = frames[place:, self.channel - 1]
        return mono

    def _end_block(self) -> None:
        block = np.concatenate(self._waiting)
        self._waiting, self._num_waiting = [], 0
        self._num_blocks += self._powers.hear(block, block.mean(axis=1, dtype=np.float32), _KEPT_PER_BLOCK)
        is_sure = self._num_blocks >= _SURE_BLOCKS and self._powers.cancel()
        if is_sure or (self._num_blocks >= _SURE_AT_ONCE_BLOCKS and self._powers.cancel(_CANCELS_AT_ONCE)):
            self.channel = self._powers.loudest
            self.note = self._powers.note
