"""Figures on thousands of resamples at once, from how often each resample drew every group of clips.

A share is linear in those weights: hits and clips are added up per group once, and a resample is a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.certainty.intervals import (
    NUM_RESAMPLES,
    Groups,
    Interval,
    binomial_interval,
    rate_interval,
    resampled_weights,
)
from speechtune.evaluation.figures.confusion import ratio

Weighted = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Group weights int64[R, G] to a figure float64[R], NaN where it is undefined."""

PerClip = Sequence[NDArray[np.bool_] | NDArray[np.int64]]
"""For every share, how often each clip counts: bool or int64, [N] each."""

_MAX_CELLS = 8_000_000  # groups × shares held at once: 64 MB


def per_group(
    values: NDArray[np.floating] | NDArray[np.bool_] | NDArray[np.int64], groups: Groups
) -> NDArray[np.float64]:
    """Sum [N] over the clips of every group: float64[G]."""
    return np.bincount(groups.of_clip, weights=values, minlength=groups.num_groups).astype(np.float64)


def divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Element by element; NaN where there is nothing to take a share of."""
    result = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def weighted_share(hits: NDArray[np.bool_], among: NDArray[np.bool_], groups: Groups) -> Weighted:
    """The share of the clips bool[N] `among` that are `hits`, bool[N]."""
    of_hits, of_all = per_group(hits & among, groups), per_group(among, groups)
    return lambda weights: divide(weights @ of_hits, weights @ of_all)


def share_intervals(
    hits: PerClip,
    among: PerClip,
    groups: Groups,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> list[Interval | None]:
    """The 95 % intervals of many shares, each as `rate_interval` gives it, all on the same resamples.

    Args:
        hits, among: for every share what it counts and what it is a share of; an F1 counts some clips twice. It rests
            on the clips that `among` counts.
        groups: which clips are drawn together.
        num_resamples, seed: of the bootstrap.

    Returns:
        One interval a share; None with fewer than two groups, or where a share has no clips.
    """
    step = max(1, _MAX_CELLS // max(groups.num_groups, 1))
    found: list[Interval | None] = []
    for first in range(0, len(hits), step):
        found += _some_intervals(hits[first : first + step], among[first : first + step], groups, num_resamples, seed)
    return found


def _some_intervals(
    hits: PerClip,
    among: PerClip,
    groups: Groups,
    num_resamples: int,
    seed: int,
) -> list[Interval | None]:
    if groups.num_groups < 2:
        return [None] * len(hits)
    of_hits = np.stack([per_group(values, groups) for values in hits], axis=1)
    of_all = np.stack([per_group(values, groups) for values in among], axis=1)
    resampled = np.concatenate(
        [
            divide(drawn @ of_hits, drawn @ of_all)
            for weights in resampled_weights(groups, num_resamples, seed)
            for drawn in [weights.astype(np.float64)]  # matrix products of integers are slow
        ]
    )
    found = []
    for place, (counted, whole) in enumerate(zip(hits, among, strict=True)):
        clips = whole.astype(np.bool_)
        rate = ratio(float(counted.sum()), float(whole.sum()))
        num_groups = groups.num_among(clips)
        found.append(None if rate is None else rate_interval(rate, resampled[:, place], num_groups, int(clips.sum())))
    return found


def one_voice_interval(hits: NDArray[np.bool_]) -> Interval | None:
    """The interval of a share within one speaker, bool[N]: what more clips of the same voice would give.

    Clips are taken as independent; nothing is said about other people. None without clips.
    """
    return binomial_interval(float(hits.mean()), len(hits)) if len(hits) else None
