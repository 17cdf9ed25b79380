"""Recordings that are the same one, however they were copied: louder, shifted, or through a lossy codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.coincidence import coincidence
from speechtune.audio.fingerprint import SoundPrint, difference

# Copies through codecs at their defaults differ in at most 0.24 of the bits, at their worst in 0.34; so do some takes
# of one word by one person, which the waveforms tell apart: among 4,900 pairs of takes none coincided beyond 0.67.
_MAX_DIFFERENCE = 0.32
_MIN_COINCIDENCE = 0.7

_NUM_NEIGHBOURS = 3
_NUM_DIMENSIONS = 32
_NUM_ORDERS = 16
_REACH = 16
_CELL_DIMENSIONS = 10
_CELL_WIDTH = 8.0  # a copy's distance is 1.2 in the middle, 11 at most, in 99 of 100


def find_copies(
    prints: Sequence[SoundPrint | None], read: Callable[[int], NDArray[np.float32]]
) -> list[tuple[int, int]]:
    """Pairs (earlier, later) of recordings that are the same; every copy is paired with an earlier one.

    Three sieves, each finer and for fewer pairs: neighbours in shape, bits of the fingerprint, and the waveforms. The
    cost grows as N · log N (`benchmarks.large_manifest`).

    Args:
        prints: None where there is nothing to compare.
        read: gives the samples float32[any] of the recording at a place of `prints`.
    """
    places = [place for place, known in enumerate(prints) if known is not None]
    known = [print_ for print_ in prints if print_ is not None]
    if len(known) < 2:
        return []
    shapes = _reduced(np.stack([print_.shape for print_ in known]))
    found = []
    for earlier, later in _neighbours(shapes):
        if difference(known[earlier], known[later]) <= _MAX_DIFFERENCE:
            pair = places[earlier], places[later]
            if coincidence(read(pair[0]), read(pair[1])) >= _MIN_COINCIDENCE:
                found.append(pair)
    return found


def _reduced(shapes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The directions in which shapes differ most, the foremost first: float32[N, 32]."""
    centred = shapes - shapes.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    reduced: NDArray[np.float32] = centred @ vectors[:, ::-1][:, :_NUM_DIMENSIONS]
    return reduced


def _neighbours(shapes: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Pairs of which one is among the three nearest of the other, sorted; a few are missed: of copies at most 3 in 100.

    After the sorted-neighbourhood method (Hernández & Stolfo, 1995): all are put in an order in which like ones are
    close, and each is compared with the 16 before and after it; then in another order, 16 times. An order goes by
    cells of a grid that is turned and moved at random, so that every pair of like ones shares a cell in some of them.
    """
    num_shapes = len(shapes)
    rng = np.random.default_rng(0)
    size = min(_CELL_DIMENSIONS, shapes.shape[1])
    best = np.full((num_shapes, _NUM_NEIGHBOURS), np.inf, dtype=np.float32)
    nearest = np.full((num_shapes, _NUM_NEIGHBOURS), -1, dtype=np.int64)
    for _ in range(_NUM_ORDERS):
        turn, _ = np.linalg.qr(rng.standard_normal((size, size)))
        turned = shapes[:, :size] @ turn.astype(np.float32)
        cells = np.floor(turned / _CELL_WIDTH + rng.uniform(0.0, 1.0, size)).astype(np.int32)
        order = np.lexsort((turned[:, 0], *cells.T))
        for step in range(1, min(_REACH, num_shapes - 1) + 1):
            one, other = order[:-step], order[step:]
            squared = np.square(shapes[one] - shapes[other]).sum(axis=1)
            _keep_nearest(best, nearest, one, other, squared)
            _keep_nearest(best, nearest, other, one, squared)
    rows, columns = np.nonzero(nearest >= 0)
    pairs = np.sort(np.stack([rows, nearest[rows, columns]], axis=1), axis=1)
    return [(int(earlier), int(later)) for earlier, later in np.unique(pairs, axis=0)]


def _keep_nearest(
    best: NDArray[np.float32],
    nearest: NDArray[np.int64],
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
    squared: NDArray[np.float32],
) -> None:
    """Put `others` among the nearest of `rows`, in place of the farthest, where they are nearer and not there yet."""
    is_nearer = squared < best[rows].max(axis=1)
    rows, others, squared = rows[is_nearer], others[is_nearer], squared[is_nearer]
    is_new = (nearest[rows] != others[:, None]).all(axis=1)
    rows, others, squared = rows[is_new], others[is_new], squared[is_new]
    farthest = best[rows].argmax(axis=1)
    best[rows, farthest], nearest[rows, farthest] = squared, others
