"""Variations of a log-mel spectrogram that a waveform does not have cheaply: tempo without pitch, vocal tracts, masks.

SpecAugment (Park et al. 2019) and vocal tract length perturbation (Jaitly and Hinton 2013). All rows of a batch are
varied at once; what a row gets depends on its own random generator alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from speechtune.recipe import AugmentSettings

_UNIT_PER_DB = 1.0 / 40.0  # Whisper's values are log10 of power, divided by 4
_EQUALISER_KNOTS = 6
_MAX_HZ = 8_000.0
_MEL_BREAK_HZ = 1_000.0  # Slaney's scale: linear below, logarithmic above
_MELS_PER_HZ = 3.0 / 200.0
_LOG_STEP = np.log(6.4) / 27.0


def vary_log_mel(features: Tensor, settings: AugmentSettings, generators: Sequence[np.random.Generator]) -> Tensor:
    """Vary each spectrogram: tempo and vocal tract, frequency response, masks, in this order.

    Args:
        features: float32[B, M, T], Whisper's log-mel.
        settings: the ranges.
        generators: one per row.

    Returns:
        float32[B, M, T].
    """
    varied = _warped(features, settings, generators)
    if settings.equaliser_db > 0.0:
        knots = np.stack([rng.standard_normal(_EQUALISER_KNOTS) for rng in generators])
        response = torch.from_numpy(knots * settings.equaliser_db * _UNIT_PER_DB).float()[:, None]
        curve = functional.interpolate(response, size=features.shape[1], mode="linear", align_corners=True)
        varied = varied + curve.transpose(1, 2)
    return _masked(varied, settings, generators)


def _warped(features: Tensor, settings: AugmentSettings, generators: Sequence[np.random.Generator]) -> Tensor:
    """Stretch the time axis about its middle and the frequency axis from zero; what comes in from outside is silent."""
    num_rows, num_mels, num_frames = features.shape
    tempo = np.array([rng.uniform(1.0 - settings.tempo, 1.0 + settings.tempo) for rng in generators])
    tract = np.array([rng.uniform(1.0 - settings.vocal_tract, 1.0 + settings.vocal_tract) for rng in generators])
    centres = np.linspace(_mel(np.array(0.0)), _mel(np.array(_MAX_HZ)), num_mels + 2)[1:-1]
    hz = np.clip(_hz(centres)[None] * tract[:, None], 0.0, _MAX_HZ)
    rows = (_mel(hz) - centres[0]) / (centres[-1] - centres[0]) * 2.0 - 1.0
    columns = np.linspace(-1.0, 1.0, num_frames)[None] * tempo[:, None]
    grid = np.empty((num_rows, num_mels, num_frames, 2), dtype=np.float32)
    grid[..., 0] = columns[:, None, :]
    grid[..., 1] = rows[:, :, None]
    floor = features.amin(dim=(1, 2), keepdim=True)
    warped = functional.grid_sample(
        (features - floor)[:, None], torch.from_numpy(grid), padding_mode="zeros", align_corners=True
    )
    return warped[:, 0] + floor


def _masked(features: Tensor, settings: AugmentSettings, generators: Sequence[np.random.Generator]) -> Tensor:
    """Hide a band of bins behind the mean and a stretch of frames behind the floor, each in some of the rows."""
    masked = features.clone()
    for row, rng in zip(masked, generators, strict=True):
        bins, frames = row.shape
        if rng.random() < settings.mask_probability:
            start, end = _stretch(bins, settings.mask_share, rng)
            row[start:end] = row.mean()
        if rng.random() < settings.mask_probability:
            start, end = _stretch(frames, settings.mask_share, rng)
            row[:, start:end] = row.min()
    return masked


def _stretch(size: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(1, max(2, round(size * share) + 1)))
    start = int(rng.integers(0, max(1, size - width + 1)))
    return start, start + width


def _mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.log(np.maximum(hz, _MEL_BREAK_HZ) / _MEL_BREAK_HZ) / _LOG_STEP
    return np.where(hz < _MEL_BREAK_HZ, hz * _MELS_PER_HZ, _MEL_BREAK_HZ * _MELS_PER_HZ + above)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    break_mel = _MEL_BREAK_HZ * _MELS_PER_HZ
    return np.where(mel < break_mel, mel / _MELS_PER_HZ, _MEL_BREAK_HZ * np.exp((mel - break_mel) * _LOG_STEP))
