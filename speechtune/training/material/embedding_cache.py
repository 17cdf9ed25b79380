"""Embeddings of every clip and its augmented copies, computed once for the phase that trains only the head."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.audio.placement import place_by_energy
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.parallel import map_on_cores
from speechtune.models.precision import half_precision
from speechtune.recipe import AugmentSettings, Recipe
from speechtune.training.material.added_windows import added_windows
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.material.windows import TrainingWindow, Variation, features_of
from speechtune.training.stages import Progress

_BATCH = 16  # larger batches do not fit a core's cache
_KEPT_BYTES = 512 << 20
_MAX_ROWS = 50_000  # as many as nine windows of each of 5,500 clips


@dataclass(frozen=True, eq=False)
class EmbeddedClips:
    """The training set as the head sees it.

    Attributes:
        read: the training set.
        embeddings: float32[N, E].
        targets: int64[N], class of each row.
        clips: int64[N], which clip each row comes from; windows of silence, then those that are added, are clips too,
            numbered after the rest, but for parts of clips.
        is_original: bool[N], rows that are not augmented; every window of silence is one, no added one is.
        is_added: bool[N], windows that nobody recorded as a clip (`added_windows`): they teach, and judge nothing.
    """

    read: TrainingSet
    embeddings: Tensor
    targets: Tensor
    clips: NDArray[np.int64]
    is_original: NDArray[np.bool_]
    is_added: NDArray[np.bool_]


def embed_clips(
    classifier: KeywordClassifier, read: TrainingSet, recipe: Recipe, progress: Progress, scratch: Path | None = None
) -> EmbeddedClips:
    """Embed every clip, `augment.copies` varied copies of it, the windows of silence, and those that are added.

    A clip's copies depend on the seed and its position alone, so that more copies or more clips change none of them.
    Where clips are so many that they vary by themselves, each is copied less often, but once (`num_copies`). What does
    not fit in half a gigabyte lies in a file that has no name and vanishes with the embeddings.

    Args:
        classifier: its encoder is run, where its weights are; nothing of it changes.
        read: the clips, and the background noises.
        recipe: seed, augmentation, number of windows of silence and of added ones.
        progress: told of every batch.
        scratch: folder for that file; none: the system's temporary one, which may lie in memory.
    """
    vary = Variation(
        classifier.window_samples, recipe.augment, read.recordings, hears_log_mel=classifier.encoder.hears_log_mel
    )
    num_clips, num_silence = len(read.clips), recipe.head.silence_clips
    copies = num_copies(num_clips, recipe.augment)
    added = added_windows(read, recipe, vary, num_clips + num_silence)
    num_rows = num_clips * (1 + copies) + num_silence + len(added.targets)
    embeddings = _room(num_rows, classifier.embedding_size, scratch)
    rows = itertools.chain(_rows(read, recipe, vary, copies), added)
    sizes = [min(_BATCH, num_rows - start) for start in range(0, num_rows, _BATCH)]
    batches = (list(itertools.islice(rows, size)) for size in sizes)
    classifier.eval()
    done = 0
    progress("embed", done, num_rows)
    for embedded in map_on_cores(lambda batch: _embed(classifier, batch, recipe.augment), batches):
        embeddings[done : done + len(embedded)] = embedded
        done += len(embedded)
        progress("embed", done, num_rows)
    silence = np.full(num_silence, len(read.labels.classes) - 1)
    of_clips = np.repeat(np.asarray(read.targets, dtype=np.int64), 1 + copies)
    clip_of_row = np.repeat(np.arange(num_clips), 1 + copies)
    is_original = np.tile(np.arange(1 + copies) == 0, num_clips)
    return EmbeddedClips(
        read,
        embeddings,
        torch.from_numpy(np.concatenate([of_clips, silence, added.targets])),
        np.concatenate([clip_of_row, num_clips + np.arange(num_silence), added.clips]),
        np.concatenate([is_original, np.ones(num_silence, dtype=bool), np.zeros(len(added.targets), dtype=bool)]),
        np.arange(num_rows) >= num_rows - len(added.targets),
    )


def num_copies(num_clips: int, settings: AugmentSettings) -> int:
    """Varied copies of each of so many clips."""
    return min(settings.copies, max(1, _MAX_ROWS // max(num_clips, 1) - 1))


def _room(num_rows: int, size: int, scratch: Path | None) -> Tensor:
    if num_rows * size * 4 <= _KEPT_BYTES:
        return torch.empty(num_rows, size)
    with tempfile.TemporaryFile(dir=scratch) as file:
        return torch.from_numpy(np.memmap(file, dtype=np.float32, shape=(num_rows, size)))


@torch.inference_mode()
def _embed(classifier: KeywordClassifier, batch: list[TrainingWindow], settings: AugmentSettings) -> Tensor:
    device = classifier.device
    features = features_of(classifier.encoder, batch, settings, device)
    with half_precision(device):
        return classifier.embed_features(features).float().cpu()


def _rows(read: TrainingSet, recipe: Recipe, vary: Variation, copies: int) -> Iterator[TrainingWindow]:
    for position, clip in enumerate(read.samples):
        yield TrainingWindow(place_by_energy(clip, vary.window_samples))
        for copy in range(copies):
            yield vary(clip, np.random.default_rng((recipe.seed, position, copy)))
    rng = np.random.default_rng((recipe.seed, len(read.samples)))
    for number in range(recipe.head.silence_clips):
        yield vary.silence(rng) if number else TrainingWindow(np.zeros(vary.window_samples, np.float32))
