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
from speechtune.data.augment import augmented_window, silence_window
from speechtune.models.classifier import KeywordClassifier
from speechtune.models.parallel import map_batches
from speechtune.models.precision import half_precision
from speechtune.recipe import Recipe
from speechtune.training.stages import Progress

_BATCH = 16  # larger batches do not fit a core's cache
_SILENCE_STREAM = 1  # keeps the random numbers of silence apart from those of clips


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
    windows = _windows(classifier.window_samples, samples, recordings, recipe)
    sizes = [min(_BATCH, num_rows - start) for start in range(0, num_rows, _BATCH)]
    batches = (torch.from_numpy(np.stack(list(itertools.islice(windows, size)))) for size in sizes)
    classifier.eval()
    done = 0
    progress("embed", done, num_rows)
    for rows in map_batches(lambda batch: _embed(classifier, batch), batches):
        embeddings[done : done + len(rows)] = rows
        done += len(rows)
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


def _embed(classifier: KeywordClassifier, batch: Tensor) -> Tensor:
    with half_precision(classifier.device):
        return classifier.embed(batch.to(classifier.device)).float().cpu()


def _windows(
    window_samples: int,
    samples: Sequence[NDArray[np.float32]],
    recordings: Sequence[NDArray[np.float32]],
    recipe: Recipe,
) -> Iterator[NDArray[np.float32]]:
    for position, clip in enumerate(samples):
        yield place_by_energy(clip, window_samples)
        rng = np.random.default_rng((recipe.seed, position))
        for _ in range(recipe.augment.copies):
            yield augmented_window(clip, window_samples, recipe.augment, recordings, rng)
    rng = np.random.default_rng((recipe.seed, len(samples), _SILENCE_STREAM))
    yield np.zeros(window_samples, dtype=np.float32)
    while True:
        yield silence_window(window_samples, recordings, rng)
