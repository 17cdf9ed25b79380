"""Embeddings of every clip and its augmented copies, computed once for the phase that trains only the head."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.audio.placement import place_by_energy
from speechtune.data.augment import silence_window
from speechtune.models.classifier import KeywordClassifier
from speechtune.models.parallel import map_on_cores
from speechtune.models.precision import half_precision
from speechtune.recipe import AugmentSettings, Recipe
from speechtune.training.stages import Progress
from speechtune.training.windows import TrainingWindow, features_of, varied_window

_BATCH = 16  # larger batches do not fit a core's cache


@dataclass(frozen=True)
class EmbeddedClips:
    """The training set as the head sees it.

    Attributes:
        embeddings: float32[N, E].
        targets: int64[N], class of each row.
        clips: int64[N], which clip each row comes from; silence windows are clips too, numbered after the rest.
        is_original: bool[N], rows that are not augmented; every silence window is one.
    """

    embeddings: Tensor
    targets: Tensor
    clips: NDArray[np.int64]
    is_original: NDArray[np.bool_]


def embed_clips(
    classifier: KeywordClassifier,
    samples: Sequence[NDArray[np.float32]],
    targets: Sequence[int],
    recordings: Sequence[NDArray[np.float32]],
    recipe: Recipe,
    progress: Progress,
) -> EmbeddedClips:
    """Embed every clip, `augment.copies` varied copies of it, and `head.silence_clips` windows of silence.

    A clip's copies depend on the seed and its position alone, so that more copies or more clips change none of them.

    Args:
        classifier: its encoder is run; nothing of it changes.
        samples: the clips, each float32[any] at 16 kHz.
        targets: the class of every clip.
        recordings: background noises, each float32[any].
        recipe: seed, augmentation, number of silence windows.
        progress: told of every batch.
    """
    copies, num_silence = recipe.augment.copies, recipe.head.silence_clips
    num_rows = len(samples) * (1 + copies) + num_silence
    embeddings = torch.empty(num_rows, classifier.embedding_size)
    rows = _rows(classifier, samples, recordings, recipe)
    sizes = [min(_BATCH, num_rows - start) for start in range(0, num_rows, _BATCH)]
    batches = (list(itertools.islice(rows, size)) for size in sizes)
    classifier.eval()
    done = 0
    progress("embed", done, num_rows)
    for embedded in map_on_cores(lambda batch: _embed(classifier, batch, recipe.augment), batches):
        embeddings[done : done + len(embedded)] = embedded
        done += len(embedded)
        progress("embed", done, num_rows)
    silence = len(classifier.labels.classes) - 1
    clip_of_row = np.repeat(np.arange(len(samples)), 1 + copies)
    is_original = np.tile(np.arange(1 + copies) == 0, len(samples))
    return EmbeddedClips(
        embeddings,
        torch.from_numpy(np.append(np.repeat(np.asarray(targets), 1 + copies), np.full(num_silence, silence))),
        np.append(clip_of_row, len(samples) + np.arange(num_silence)),
        np.append(is_original, np.ones(num_silence, dtype=bool)),
    )


@torch.inference_mode()
def _embed(classifier: KeywordClassifier, batch: list[TrainingWindow], settings: AugmentSettings) -> Tensor:
    device = classifier.device
    features = features_of(classifier.encoder, batch, settings, device)
    with half_precision(device):
        return classifier.embed_features(features).float().cpu()


def _rows(
    classifier: KeywordClassifier,
    samples: Sequence[NDArray[np.float32]],
    recordings: Sequence[NDArray[np.float32]],
    recipe: Recipe,
) -> Iterator[TrainingWindow]:
    window_samples, hears_log_mel = classifier.window_samples, classifier.encoder.hears_log_mel
    for position, clip in enumerate(samples):
        yield TrainingWindow(place_by_energy(clip, window_samples))
        for copy in range(recipe.augment.copies):
            rng = np.random.default_rng((recipe.seed, position, copy))
            yield varied_window(clip, window_samples, recipe.augment, recordings, rng, hears_log_mel=hears_log_mel)
    rng = np.random.default_rng((recipe.seed, len(samples)))
    yield TrainingWindow(np.zeros(window_samples, dtype=np.float32))
    while True:
        yield TrainingWindow(silence_window(window_samples, recordings, rng))
