"""Spectrograms of clips, through librosa: pictures for inspection and reports, never what a model eats.

A model's features are its own (`speechtune.models`), so that training and serving cannot drift apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ

_FFT_SAMPLES = 512
_HOP_SAMPLES = 160
_NUM_MELS = 64
_RANGE_DB = 80.0


def log_mel_image(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel spectrogram for the eye: float32[64, 1 + N // 160], 0 (80 dB below the loudest) to 1; low tones first.

    Args:
        samples: float32[N] at 16 kHz, N ≥ 1; a shorter clip than one frame is padded with zeros.
    """
    import librosa

    power = librosa.feature.melspectrogram(
        y=_long_enough(samples), sr=SAMPLE_RATE_HZ, n_fft=_FFT_SAMPLES, hop_length=_HOP_SAMPLES, n_mels=_NUM_MELS
    )
    levels = librosa.power_to_db(power, ref=np.max, top_db=_RANGE_DB)
    image: NDArray[np.float32] = (levels / _RANGE_DB + 1.0).astype(np.float32)
    return image


def _long_enough(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    # librosa warns when a frame is longer than the signal.
    return np.pad(samples, (0, max(_FFT_SAMPLES - len(samples), 0)))
