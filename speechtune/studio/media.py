"""What the page plays and shows of a take: its sound as FLAC, its spectrogram as PNG."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.inspection.player import Palette, encode_png
from speechtune.data.inspection.spectrograms import log_mel_image

_MAX_COLUMNS = 160
_DARK, _MIDDLE, _LIGHT = (13, 17, 38), (43, 122, 155), (250, 243, 199)
"""Of the spectrogram: red, green, blue of the quietest, the middle and the loudest."""


def flac_of(samples: NDArray[np.float32]) -> bytes:
    """A FLAC file of float32[N] at 16 kHz, N ≥ 1."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1.0, 1.0), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def spectrogram_of(samples: NDArray[np.float32]) -> bytes:
    """A PNG file of float32[N] at 16 kHz, N ≥ 1: 64 pixels high, low tones below, at most 160 wide."""
    image = log_mel_image(samples)[::-1]
    step = -(-image.shape[1] // _MAX_COLUMNS)
    levels = np.ascontiguousarray(np.round(image[:, ::step] * 255.0).astype(np.uint8))
    return encode_png(levels, _palette())


def _palette() -> Palette:
    level = np.linspace(0.0, 2.0, 256)[:, None]
    dark, middle, light = (np.array(colour, dtype=np.float64) for colour in (_DARK, _MIDDLE, _LIGHT))
    below = dark + np.minimum(level, 1.0) * (middle - dark)
    palette: Palette = np.round(below + np.maximum(level - 1.0, 0.0) * (light - middle)).astype(np.uint8)
    return palette
