"""Training windows: how long they are, how a clip is varied in one, and the features of a batch of them.

What a copy becomes depends on its own random generator alone: not on its batch, its process, nor the other clips.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.audio.levels import main_stretch
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.variation.augment import augmented_window, silence_window
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.recipe import AugmentSettings
from speechtune.training.material.spectral_augment import vary_log_mel

SHORTEST_MS = 1_000
"""Shorter windows save little, and the encoders were never asked for less in the figures."""

LONGEST_MS = 8_000
_STEP_MS = 100
_MARGIN_MS = 200
_SHARE_OF_CLIPS = 95.0


def choose_window_samples(keyword_clips: Iterable[NDArray[np.float32]]) -> int:
    """The window that holds nearly all keywords with a margin, in whole tenths of a second.

    Args:
        keyword_clips: the keywords' clips, each float32[any]; what lies beside the word or phrase does not
            count, lest a chair moved half a second later makes every window twice as long.

    Returns:
        Samples, 1,000 to 8,000 ms; 1,000 ms without clips, and never longer than the longest clip asks for.
    """
    spoken, longest_clip = [], 0
    for clip in keyword_clips:
        start, end = main_stretch(clip)
        spoken.append(end - start)
        longest_clip = max(longest_clip, len(clip))
    if not spoken:
        return samples_from_ms(SHORTEST_MS)
    needed = float(np.percentile(spoken, _SHARE_OF_CLIPS)) + samples_from_ms(_MARGIN_MS)
    steps = int(np.ceil(min(needed, longest_clip) / samples_from_ms(_STEP_MS)))
    return samples_from_ms(int(np.clip(steps * _STEP_MS, SHORTEST_MS, LONGEST_MS)))


@dataclass(frozen=True)
class TrainingWindow:
    """A window float32[window_samples] to hear, and what varies its spectrogram (none: it stays as it is)."""

    samples: NDArray[np.float32]
    spectral_rng: np.random.Generator | None = None


@dataclass(frozen=True)
class Variation:
    """How the clips of a training set are varied.

    Attributes:
        window_samples: length of the windows.
        settings: the ranges.
        recordings: background noises, each float32[any].
        hears_log_mel: the encoder hears a spectrogram, which is varied too.
    """

    window_samples: int
    settings: AugmentSettings
    recordings: Sequence[NDArray[np.float32]]
    hears_log_mel: bool

    def __call__(self, clip: NDArray[np.float32], rng: np.random.Generator) -> TrainingWindow:
        """A varied copy of a clip float32[any]."""
        samples = augmented_window(
            clip, self.window_samples, self.settings, self.recordings, rng, changes_speed=not self.hears_log_mel
        )
        return TrainingWindow(samples, rng if self.hears_log_mel else None)

    def silence(self, rng: np.random.Generator) -> TrainingWindow:
        """A window without speech."""
        return TrainingWindow(silence_window(self.window_samples, self.recordings, rng))


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
