"""Whether audio was recorded at the rate, and with the channels, that its form claims. It changes no sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.levels import FRAME_SAMPLES
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.audio.voicing import voiced_frames

_MIN_NEIGHBOURS = 4_000
_MAX_NEIGHBOURS = 60 * 96_000
_EQUAL_NEIGHBOURS = 0.3  # of one channel the ratio is 1 to a few hundredths

_MIN_WINDOWS, _MAX_WINDOWS = 5, 40
_MIN_FRAMES, _MIN_FRAMES_OF_WINDOW = 60, 3
_LOUD_SHARE = 1e-3
# Of 32 people's words the centroid lay between 606 and 1,660 Hz; sent at twice the rate at 1,766 in the middle, at half
# of it at 477, at a third of it at 294.
_LOWEST_HZ, _HIGHEST_HZ = 560.0, 1_750.0
_FFT_SAMPLES = 1_024


class NeighbourWatch:
    """Hears the samples of one channel, at their own rate, and finds two channels that were taken for one.

    Then every second step, from the left channel to the right one, is much smaller than those between.
    """

    def __init__(self) -> None:
        self._power = [0.0, 0.0]
        self._num = 0
        self._phase = 0
        self._last: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Take the next float32[N]; the first minute counts."""
        if not len(samples) or self._num >= _MAX_NEIGHBOURS:
            return
        steps = np.diff(np.concatenate([self._last, samples]))
        self._last = samples[-1:].copy()
        self._num += int(np.count_nonzero(steps))
        for phase in (0, 1):
            own = steps[phase::2]
            self._power[(self._phase + phase) % 2] += float(np.dot(own, own))
        self._phase = (self._phase + len(steps)) % 2

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence where there seem to be two channels; else none."""
        if self._num < _MIN_NEIGHBOURS or min(self._power) >= _EQUAL_NEIGHBOURS * max(self._power):
            return ()
        return (
            "its samples come in pairs of equal ones: stereo was sent as mono, or every sample twice; say channels 2, "
            "or the true rate",
        )


class PaceWatch:
    """Hears windows of speech at 16 kHz, and finds voices that are too fast or too slow for anybody.

    A voice that is played at twice its rate has all its resonances at twice their frequencies.

    Args:
        max_windows: so many are heard, no more.
    """

    def __init__(self, max_windows: int = _MAX_WINDOWS) -> None:
        self._max_windows = max_windows
        self._centroids: list[NDArray[np.float64]] = []
        self._num_heard = 0

    def hear(self, window: NDArray[np.float32]) -> None:
        """Take float32[N] of speech."""
        if self._num_heard < self._max_windows:
            self.take(voice_centroids_hz(window))

    def take(self, centroids: NDArray[np.float64]) -> None:
        """Take what `voice_centroids_hz` found in a window."""
        self._num_heard += 1
        if len(centroids) >= _MIN_FRAMES_OF_WINDOW:
            self._centroids.append(centroids)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence where the rate cannot be true; none else, and while too little was heard."""
        if len(self._centroids) < _MIN_WINDOWS or sum(map(len, self._centroids)) < _MIN_FRAMES:
            return ()
        centroid = float(np.median(np.concatenate(self._centroids)))
        if _LOWEST_HZ <= centroid <= _HIGHEST_HZ:
            return ()
        pace, rate = ("slower and lower", "too low") if centroid < _LOWEST_HZ else ("faster and higher", "too high")
        return (
            f"speech in it is {pace} than anybody speaks (its voices lie about {centroid:.0f} Hz): the rate that it "
            f"was sent with is {rate}, two or three times perhaps; check it",
        )


def voice_centroids_hz(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """The centre of the amplitude spectrum of every loud voiced frame of float32[N] at 16 kHz: float64[F]."""
    if len(window) < 2 * FRAME_SAMPLES:
        return np.zeros(0)
    num_frames = len(window) // FRAME_SAMPLES - 1
    frames = np.lib.stride_tricks.sliding_window_view(window, 2 * FRAME_SAMPLES)[::FRAME_SAMPLES][:num_frames]
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    chosen = voiced_frames(window)[: len(frames)] & (power > _LOUD_SHARE * power.max(initial=0.0)) & (power > 1e-9)
    spectrum = np.abs(np.fft.rfft(frames[chosen] * np.hanning(2 * FRAME_SAMPLES), _FFT_SAMPLES, axis=1))
    frequency = np.fft.rfftfreq(_FFT_SAMPLES, 1.0 / SAMPLE_RATE_HZ)
    centroids: NDArray[np.float64] = spectrum @ frequency / np.maximum(spectrum.sum(axis=1), 1e-30)
    return centroids
