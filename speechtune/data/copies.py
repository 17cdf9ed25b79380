"""Recordings that are the same one, however they were copied: louder, shifted, or through a lossy codec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.fingerprint import SoundPrint, difference

# Copies through any codec measured at most 0.239; of 3,000 takes of ten digits by six people a dozen come below 0.24.
_MAX_DIFFERENCE = 0.24
_NUM_NEIGHBOURS = 3
_NUM_DIMENSIONS = 32
_BLOCK = 1_024


def find_copies(prints: Sequence[SoundPrint | None]) -> list[tuple[int, int]]:
    """Pairs (earlier, later) of recordings that are the same; every copy is paired with an earlier one.

    Each recording is compared bit by bit with the few that are nearest in shape, so that the cost is that of a search
    for neighbours: N², with a factor that leaves 100,000 recordings to seconds.

    Args:
        prints: None where there is nothing to compare.
    """
    places = np.array([place for place, known in enumerate(prints) if known is not None], dtype=np.int64)
    if len(places) < 2:
        return []
    shapes = _reduced(np.stack([known.shape for known in prints if known is not None]))
    pairs: set[tuple[int, int]] = set()
    for row, neighbours in enumerate(_neighbours(shapes)):
        for other in neighbours:
            pairs.add((min(row, int(other)), max(row, int(other))))
    found = []
    for earlier, later in sorted(pairs):
        one, other = prints[places[earlier]], prints[places[later]]
        if one is not None and other is not None and difference(one, other) <= _MAX_DIFFERENCE:
            found.append((int(places[earlier]), int(places[later])))
    return found


def _reduced(shapes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The directions in which shapes differ most: float32[N, 32]."""
    centred = shapes - shapes.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    reduced: NDArray[np.float32] = centred @ vectors[:, -_NUM_DIMENSIONS:]
    return reduced


def _neighbours(shapes: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest others of each: int64[N, up to 3]."""
    num_neighbours = min(_NUM_NEIGHBOURS, len(shapes) - 1)
    squared = np.square(shapes).sum(axis=1)
    nearest = np.empty((len(shapes), num_neighbours), dtype=np.int64)
    for start in range(0, len(shapes), _BLOCK):
        block = shapes[start : start + _BLOCK]
        distance = squared - 2.0 * (block @ shapes.T)  # but for the block's own squares, which are the same in a row
        distance[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        nearest[start : start + len(block)] = np.argpartition(distance, num_neighbours - 1, axis=1)[:, :num_neighbours]
    return nearest
