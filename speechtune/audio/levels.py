"""How loud, how clean and how whole a stretch of audio is. Levels are in dB relative to full scale (1.0).

Speech is told from its background by level alone, in frames of 20 ms: enough to judge a recording of one word in a
room, not a voice activity detector.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ

FLOOR_DBFS = -120.0
"""What digital silence is given as: far below the last bit of 16-bit audio (-96 dBFS)."""

FRAME_SAMPLES = 320
"""20 ms: a few periods of a low voice, shorter than any speech sound that matters here."""

_ACTIVE_RANGE_DB = 30.0  # speech lies within this below its own loudest frames
_ACTIVE_ABOVE_NOISE_DB = 6.0
_LOUD_PERCENTILE, _NOISE_PERCENTILE = 95.0, 10.0
_MIN_CONTRAST_DB = 8.0
_FLAT_TOP = 0.995
_MIN_FLAT_RUN = 3
_SPECTRUM_SAMPLES = 512
_SPECTRUM_WINDOW = np.hanning(_SPECTRUM_SAMPLES).astype(np.float32)
_BAND_RANGE_DB = 60.0


def rms_dbfs(samples: NDArray[np.float32]) -> float:
    """Root mean square of float32[N], N ≥ 1; a full-scale sine is at -3 dBFS.

    >>> round(rms_dbfs(np.full(100, 0.1, dtype=np.float32)), 3)
    -20.0
    """
    return _dbfs(float(np.mean(np.square(samples, dtype=np.float64))))


def peak_dbfs(samples: NDArray[np.float32]) -> float:
    """Largest magnitude in float32[N], N ≥ 1.

    >>> peak_dbfs(np.array([0.1, -1.0], dtype=np.float32))
    0.0
    >>> peak_dbfs(np.zeros(1, dtype=np.float32))
    -120.0
    """
    return _dbfs(float(np.max(np.abs(samples))) ** 2)


def clipped_fraction(samples: NDArray[np.float32]) -> float:
    """Share of float32[N] that lies on a flat top: three or more neighbours within 0.5 % of the largest magnitude.

    Clipping is seen at any level, for a recording may have been turned down after it was clipped. A low pure tone has
    such tops by nature; speech hardly has.

    >>> wave = np.sin(np.arange(1000) * 0.7).astype(np.float32)
    >>> clipped_fraction(wave)
    0.0
    >>> clipped_fraction(np.clip(3 * wave, -1, 1)) > 0.2
    True
    """
    largest = float(np.max(np.abs(samples), initial=0.0))
    if largest == 0.0:
        return 0.0
    num_flat = 0
    for side in (samples, -samples):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], side >= _FLAT_TOP * largest, [0])).astype(np.int8)))
        runs = edges[1::2] - edges[::2]
        num_flat += int(runs[runs >= _MIN_FLAT_RUN].sum())
    return num_flat / len(samples)


def clipped_seconds(blocks: Collection[NDArray[np.float32]], rate_hz: int) -> float:
    """How long the tops of blocks, each float32[any], are flat; they must be as a device gave them.

    Resampled, a flat top is flat no more: at 48,000 Hz clipping must be looked for before that.
    """
    if not blocks:
        return 0.0
    samples = np.concatenate(list(blocks))
    return clipped_fraction(samples) * len(samples) / rate_hz


def frame_levels_dbfs(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS level of each frame of 20 ms: float64[ceil(N / 320)]; the last frame may be shorter.

    >>> frame_levels_dbfs(np.array([1.0] * 320 + [0.1] * 10, dtype=np.float32)).round(3).tolist()
    [0.0, -20.0]
    """
    power = np.square(samples, dtype=np.float64)
    starts = np.arange(0, len(samples), FRAME_SAMPLES)
    lengths = np.diff(np.append(starts, len(samples)))
    mean_power = np.add.reduceat(power, starts) / lengths
    levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(mean_power, 10.0 ** (FLOOR_DBFS / 10.0)))
    return levels


class SpeechLevels:
    """The levels of float32[N], N ≥ 1, frame by frame, and what they tell of the speech in it.

    A constant offset, which cheap converters add, is taken off first: nobody hears it.
    A frame is active if it is within 30 dB of the loudest 5 % of frames and 6 dB above the quietest 10 %, as long as
    those two are 8 dB or more apart.

    Attributes:
        samples: float32[N] without the offset.
        frames_dbfs: float64[ceil(N / 320)], as `frame_levels_dbfs`.
        loud_dbfs: level that the loudest 5 % of frames reach.
        active: bool[ceil(N / 320)], all False in steady sound.
    """

    def __init__(self, samples: NDArray[np.float32]) -> None:
        # Not the mean: padding with zeros beside the offset would become loud.
        self.samples: NDArray[np.float32] = samples - np.median(samples)
        self.frames_dbfs = frame_levels_dbfs(self.samples)
        noise_dbfs, self.loud_dbfs = _percentiles(self.frames_dbfs, _NOISE_PERCENTILE, _LOUD_PERCENTILE)
        least = max(self.loud_dbfs - _ACTIVE_RANGE_DB, noise_dbfs + _ACTIVE_ABOVE_NOISE_DB)
        stands_out = self.loud_dbfs - noise_dbfs >= _MIN_CONTRAST_DB
        self.active: NDArray[np.bool_] = (self.frames_dbfs >= least) & stands_out

    @property
    def range(self) -> tuple[int, int] | None:
        """First sample of the first active frame and the one after the last active frame; None if none is active."""
        active = np.flatnonzero(self.active)
        if len(active) == 0:
            return None
        return int(active[0]) * FRAME_SAMPLES, min((int(active[-1]) + 1) * FRAME_SAMPLES, len(self.samples))

    @property
    def speech_dbfs(self) -> float | None:
        """Mean power of the active frames; None if none is active.

        The pauses do not count, as in ITU-T P.56, of which this is a plain form.
        """
        return _mean_level(self.frames_dbfs[self.active]) if self.active.any() else None

    @property
    def snr_db(self) -> float | None:
        """Estimate of the level of speech over its background; None where there is no telling speech from background.

        Power of the active frames less that of the others. A clip cut close to its word has little background, so the
        estimate is a lower bound there.
        """
        if not self.active.any() or self.active.all():
            return None
        speech = 10.0 ** (_mean_level(self.frames_dbfs[self.active]) / 10.0)
        noise = 10.0 ** (_mean_level(self.frames_dbfs[~self.active]) / 10.0)
        return _dbfs(max(speech - noise, 0.0)) - _dbfs(noise)


def active_range(samples: NDArray[np.float32]) -> tuple[int, int] | None:
    """First sample of the first active frame and the one after the last active frame; None if none is active.

    >>> active_range(np.array([0.0] * 640 + [0.5] * 640 + [0.0] * 640, dtype=np.float32))
    (640, 1280)
    """
    return SpeechLevels(samples).range


def main_stretch(samples: NDArray[np.float32], longest_pause_ms: int = 300) -> tuple[int, int]:
    """Where the word or phrase of a recording lies: first sample, and the one after the last.

    Of the stretches of active frames with no pause longer than `longest_pause_ms` it is the one with the most energy,
    so that a click or a chair at either end does not count; all of float32[N] where no frame is active.

    >>> main_stretch(np.array([0.01] * 640 + [0.0] * 8000 + [0.5] * 640 + [0.0] * 640, dtype=np.float32))
    (8640, 9280)
    """
    levels = SpeechLevels(samples)
    active = np.flatnonzero(levels.active)
    if not len(active):
        return 0, len(samples)
    longest_pause = longest_pause_ms * SAMPLE_RATE_HZ // (1000 * FRAME_SAMPLES)
    stretches = np.split(active, np.flatnonzero(np.diff(active) > longest_pause) + 1)
    power = 10.0 ** (levels.frames_dbfs / 10.0)
    loudest = max(stretches, key=lambda frames: float(power[frames].sum()))
    return int(loudest[0]) * FRAME_SAMPLES, min((int(loudest[-1]) + 1) * FRAME_SAMPLES, len(samples))


def active_speech_dbfs(samples: NDArray[np.float32]) -> float | None:
    """Mean power of the active frames, see `SpeechLevels.speech_dbfs`; None if none is active."""
    return SpeechLevels(samples).speech_dbfs


def snr_db(samples: NDArray[np.float32]) -> float | None:
    """Level of speech over its background, see `SpeechLevels.snr_db`; None where there is no telling them apart."""
    return SpeechLevels(samples).snr_db


def bandwidth_hz(samples: NDArray[np.float32]) -> float | None:
    """Highest frequency of float32[N] at 16 kHz, N ≥ 1, whose mean power is within 60 dB of the strongest one's.

    A recording made at 8 kHz, or through a telephone, ends at 4 kHz whatever its file says. None where there is
    nothing to hear.

    >>> tone = np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000)).astype(np.float32)
    >>> 1000 <= bandwidth_hz(tone) <= 1100
    True
    """
    half = _SPECTRUM_SAMPLES // 2
    # The last block is left out unless it is whole: an abrupt end has every frequency.
    num_halves = max(len(samples) // half, 2)
    halves = np.pad(samples, (0, max(num_halves * half - len(samples), 0)))[: num_halves * half].reshape(-1, half)
    blocks = np.concatenate([halves[:-1], halves[1:]], axis=1) * _SPECTRUM_WINDOW
    power = np.mean(np.abs(np.fft.rfft(blocks, axis=1)) ** 2, axis=0)
    strongest = power.max()
    if strongest <= 0.0:
        return None
    heard = np.flatnonzero(power >= strongest * 10.0 ** (-_BAND_RANGE_DB / 10.0))
    return float(heard[-1]) * SAMPLE_RATE_HZ / _SPECTRUM_SAMPLES


def _percentiles(levels: NDArray[np.float64], *percents: float) -> list[float]:
    """As `numpy.percentile`, in a tenth of its time for so few numbers."""
    ordered = np.sort(levels)
    places = np.array(percents) * (len(ordered) - 1) / 100.0
    return [float(level) for level in np.interp(places, np.arange(len(ordered)), ordered)]


def _mean_level(levels: NDArray[np.float64]) -> float:
    return float(10.0 * np.log10(np.mean(10.0 ** (levels / 10.0))))


def _dbfs(power: float) -> float:
    return max(10.0 * float(np.log10(power)), FLOOR_DBFS) if power > 0.0 else FLOOR_DBFS
