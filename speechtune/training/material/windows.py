"""A training window: a clip as it was recorded, a varied copy of it, or silence; and the features of a batch of them.

What a copy becomes depends on its own random generator alone: not on its batch, its process, nor the other clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.data.variation.augment import augmented_window
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.recipe import AugmentSettings
from speechtune.training.material.spectral_augment import vary_log_mel


@dataclass(frozen=True)
class TrainingWindow:
    """A window float32[window_samples] to hear, and what varies its spectrogram (none: it stays as it is)."""

    samples: NDArray[np.float32]
    spectral_rng: np.random.Generator | None = None


def varied_window(
    clip: NDArray[np.float32],
    window_samples: int,
    settings: AugmentSettings,
    recordings: Sequence[NDArray[np.float32]],
    rng: np.random.Generator,
    *,
    hears_log_mel: bool,
) -> TrainingWindow:
    """A varied copy of a clip; its spectrogram is varied too where the encoder hears one."""
    samples = augmented_window(clip, window_samples, settings, recordings, rng, changes_speed=not hears_log_mel)
    return TrainingWindow(samples, rng if hears_log_mel else None)


@torch.no_grad()
def features_of(
    encoder: SpeechEncoder, windows: Sequence[TrainingWindow], settings: AugmentSettings, device: torch.device
) -> Tensor:
    """What `encoder`, on `device`, is to hear of B windows; see `SpeechEncoder.extract`."""
    features = encoder.extract(torch.from_numpy(np.stack([window.samples for window in windows])).to(device))
    varied = [index for index, window in enumerate(windows) if window.spectral_rng is not None]
    if varied:
        generators = [window.spectral_rng for window in windows if window.spectral_rng is not None]
        features[varied] = vary_log_mel(features[varied].cpu(), settings, generators).to(device)
    return features
