"""The last thing that training does: find out whether the new model may be served in int8, while the clips are here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from speechtune.audio.placement import place_by_energy
from speechtune.errors import CheckpointIncompatibleError, ConfigError
from speechtune.models.checkpoints.checkpoint import Checkpoint
from speechtune.models.export import compare_int8
from speechtune.models.int8_agreement import FACT
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.stages import Progress

_MOST_WINDOWS = 200
_MOST_WEIGHTS = 150_000_000
"""A larger model takes minutes and gigabytes to export, which nobody asked for."""


def with_int8_agreement(checkpoint: Checkpoint, read: TrainingSet, progress: Progress) -> Checkpoint:
    """The same checkpoint with what int8 makes of its clips among its facts, or why nobody knows.

    Args:
        checkpoint: on the CPU; it need not be saved.
        read: what it was trained on.
        progress: told of this stage.
    """
    progress("compare int8", 0, 1)
    found: JsonValue
    try:
        _check_size(checkpoint)
        found = compare_int8(checkpoint, _windows(read, checkpoint.classifier.window_samples)).model_dump()
    except (CheckpointIncompatibleError, ConfigError) as error:
        found = f"not known: {error}"
    progress("compare int8", 1, 1)
    return replace(checkpoint, training={**checkpoint.training, FACT: found})


def _check_size(checkpoint: Checkpoint) -> None:
    num_weights = sum(weights.numel() for weights in checkpoint.classifier.parameters())
    if num_weights > _MOST_WEIGHTS:
        raise ConfigError(f"a model of {num_weights / 1e6:.0f} million weights is not exported to find out")


def _windows(read: TrainingSet, window_samples: int) -> NDArray[np.float32]:
    """float32[B, window_samples]: a clip of every label in turn, until there are enough."""
    seen: dict[str, int] = {}
    turns = []
    for index, clip in enumerate(read.clips):
        turns.append((seen.get(clip.label, 0), index))
        seen[clip.label] = seen.get(clip.label, 0) + 1
    chosen = [index for _, index in sorted(turns)[:_MOST_WINDOWS]]
    return np.stack([place_by_energy(read.samples[index], window_samples) for index in chosen])
