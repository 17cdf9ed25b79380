"""Which stretches of audio are scored: one window for a short utterance, a row of windows through a long one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.placement import cut_window, energy_centre

_SMALLEST_STORE = 4096


@dataclass(frozen=True)
class Span:
    """A stretch of a stream and when it was known.

    Attributes:
        start_sample, end_sample: stream positions.
        decision_sample: nothing after this stream position was needed.
    """

    start_sample: int
    end_sample: int
    decision_sample: int


@dataclass(frozen=True)
class Window:
    """One window to score.

    Attributes:
        samples: float32[window_samples].
        span: the speech in it.
        whole_utterance: it holds a whole short utterance and decides alone; else it is one of a row.
        is_faint: the level tells of speech there, the voice activity model does not; or it sounds for hardly a tenth of
            a second.
    """

    samples: NDArray[np.float32]
    span: Span
    whole_utterance: bool
    is_faint: bool = False


class SampleBuffer:
    """The recent samples of a stream, addressed by stream position; the first one has the position `first`."""

    def __init__(self, first: int = 0) -> None:
        self._store: NDArray[np.float32] = np.zeros(_SMALLEST_STORE, dtype=np.float32)
        self._size = 0
        self._first = first

    @property
    def end(self) -> int:
        """Position after the newest sample."""
        return self._first + self._size

    def append(self, samples: NDArray[np.float32]) -> None:
        """Add the newest samples, float32[N]."""
        needed = self._size + len(samples)
        if needed > len(self._store):
            # By a quarter rather than twofold: a server holds one of these for every stream.
            grown = np.empty(max(needed, len(self._store) * 5 // 4), dtype=np.float32)
            grown[: self._size] = self._store[: self._size]
            self._store = grown
        self._store[self._size : needed] = samples
        self._size = needed

    def forget_before(self, position: int) -> None:
        """Drop samples older than `position`; room is given back once most of the store is unused."""
        drop = min(max(position - self._first, 0), self._size)
        if drop < len(self._store) // 4:
            return  # moving the rest costs more than it frees
        kept = self._store[drop : self._size]
        self._store = np.empty(max(len(kept), _SMALLEST_STORE), dtype=np.float32)
        self._store[: len(kept)] = kept
        self._size = len(kept)
        self._first += drop

    def between(self, start: int, end: int) -> NDArray[np.float32]:
        """float32[end - start], not to be written to; positions that are not held are zero."""
        if self._first <= start and end <= self.end:
            # What is held is never overwritten: room is made by moving it elsewhere.
            return self._store[start - self._first : end - self._first]
        return cut_window(self._store[: self._size], start - self._first, end - start)


def utterance_window(
    buffer: SampleBuffer, start: int, end: int, now: int, window_samples: int, *, is_faint: bool
) -> Window:
    """Place a short utterance by its energy, as training places a clip, in the audio that surrounds it.

    Args:
        buffer: holds at least the last `window_samples` before `now`.
        start, end: the utterance as stream positions, preroll included, `end - start <= window_samples`.
        now: nothing after this position is known yet; what the window lacks there is zero.
        window_samples: length of the window.
        is_faint: as in `Window`.
    """
    centre = start + energy_centre(buffer.between(start, end))
    first = centre - window_samples // 2
    known = buffer.between(first, min(first + window_samples, now))
    return Window(cut_window(known, 0, window_samples), Span(start, end, now), whole_utterance=True, is_faint=is_faint)


def passing_window(buffer: SampleBuffer, now: int, window_samples: int) -> Window:
    """The last `window_samples` before `now`, while speech goes on."""
    first = now - window_samples
    return Window(buffer.between(first, now), Span(max(first, 0), now, now), whole_utterance=False)
