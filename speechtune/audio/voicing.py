"""Which frames are voiced: they repeat themselves at the pitch of a voice. What is voiced is no background noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.levels import FRAME_SAMPLES
from speechtune.audio.timebase import SAMPLE_RATE_HZ

_LOWEST_HZ, _HIGHEST_HZ = 80.0, 400.0
_WINDOW_FRAMES = 2  # 40 ms: three periods of a low voice
_MIN_LIKENESS = 0.6  # in noise of every kind the likeness was below 0.6 in 98 of 100 frames


def voiced_frames(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which frames of 20 ms of float32[N], N ≥ 1, are voiced: bool[ceil(N / 320)].

    A frame is voiced if it, with the frame after it, is like itself one period later: if its normalised
    autocorrelation reaches 0.6 at a lag between 2.5 and 12.5 ms. The last frame is taken with the one before.

    >>> buzz = np.sign(np.sin(2 * np.pi * 120 * np.arange(3_200) / 16_000)).astype(np.float32)
    >>> noise = np.random.default_rng(0).standard_normal(3_200).astype(np.float32)
    >>> float(voiced_frames(buzz).mean()), float(voiced_frames(noise).mean())
    (1.0, 0.0)
    """
    size = _WINDOW_FRAMES * FRAME_SAMPLES
    num_frames = -(-len(samples) // FRAME_SAMPLES)
    padded = np.pad(samples, (0, max(size, num_frames * FRAME_SAMPLES) - len(samples))).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::FRAME_SAMPLES]
    windows = windows - windows.mean(axis=1, keepdims=True)
    lags = np.arange(round(SAMPLE_RATE_HZ / _HIGHEST_HZ), round(SAMPLE_RATE_HZ / _LOWEST_HZ) + 1)
    products = np.fft.irfft(np.abs(np.fft.rfft(windows, 2 * size, axis=1)) ** 2, axis=1)[:, lags]
    energy = np.cumsum(np.pad(np.square(windows), ((0, 0), (1, 0))), axis=1)
    early, late = energy[:, size - lags], energy[:, [size]] - energy[:, lags]
    likeness = (products / np.sqrt(np.maximum(early * late, 1e-20))).max(axis=1)
    voiced: NDArray[np.bool_] = likeness >= _MIN_LIKENESS
    return np.append(voiced, np.repeat(voiced[-1:], num_frames - len(voiced)))
