"""What a report plays and shows of a clip, in its own colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechtune.data.inspection import player
from speechtune.data.inspection.player import ClipMedia, Palette

MAX_SECONDS = 4.0
"""Longest stretch of a clip that a report holds."""

_MAX_COLUMNS = 160


def clip_media(samples: NDArray[np.float32]) -> ClipMedia:
    """Sound and spectrogram of the first `MAX_SECONDS` of float32[N] at 16 kHz, N ≥ 1."""
    return player.clip_media(samples, _palette(), max_ms=round(1_000 * MAX_SECONDS), max_columns=_MAX_COLUMNS)


def _palette() -> Palette:
    """From dark blue over violet to yellow."""
    level = np.linspace(0.0, 1.0, 256)
    channels = [np.minimum(1.0, 1.6 * level), level**2, 0.25 + 0.5 * level * (1.0 - level)]
    palette: Palette = np.round(255.0 * np.stack(channels, axis=-1)).astype(np.uint8)
    return palette
