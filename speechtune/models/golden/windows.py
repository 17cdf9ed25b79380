"""Windows of made-up sound on which a model and its port are compared: no recording of anybody, the same everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ

_NUM_HARMONICS = 40
_BANDWIDTH_HZ = 120.0
_STEPS = 32_768  # of a 16-bit sample: a port may keep the windows as WAV files


def golden_windows(window_samples: int) -> NDArray[np.float32]:
    """float32[4, window_samples]: loud noise that swells, a vowel that turns into another, soft noise, and silence.

    Every sample is a multiple of 1 / 32768.
    """
    envelope = np.sin(np.linspace(0.0, np.pi, window_samples)) ** 2
    noise = np.random.default_rng(0).standard_normal((2, window_samples)) * envelope
    silence = np.zeros(window_samples)
    windows = np.stack([0.3 * noise[0], 0.3 * _voice(window_samples), 0.005 * noise[1], silence])
    whole: NDArray[np.float32] = (np.round(windows.clip(-1.0, 1.0) * (_STEPS - 1)) / _STEPS).astype(np.float32)
    return whole


def _voice(num_samples: int) -> NDArray[np.float64]:
    """float64[N], peak 1: a rising voice, two syllables long, whose two formants glide from those of `a` to `i`."""
    part = np.linspace(0.0, 1.0, num_samples)
    pitch_hz = 110.0 + 60.0 * part
    phase = 2.0 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    formants_hz = (750.0 - 450.0 * part, 1_200.0 + 1_000.0 * part)
    voice = np.zeros(num_samples)
    for harmonic in range(1, _NUM_HARMONICS + 1):
        gains = [1.0 / (1.0 + ((harmonic * pitch_hz - formant) / _BANDWIDTH_HZ) ** 2) for formant in formants_hz]
        voice += sum(gains) * np.cos(harmonic * phase)
    voice *= np.sin(2.0 * np.pi * part) ** 2
    peak = np.abs(voice).max(initial=0.0)
    return voice / peak if peak > 0.0 else voice
