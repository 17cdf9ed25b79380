"""Rejection: how many keywords are heard when a given share of other words is let through.

Every clip has one *score*, the posterior of its best keyword; it is let through when the score reaches the threshold.
A keyword clip counts as detected when it is let through *and* its best keyword is the one said. `_silence_` clips take
no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.confusion import ratio

_ALLOWED_FOR_INTERVAL = 1.5


@dataclass(frozen=True)
class DetectionAtFar:
    """How many keywords are detected at one false-acceptance rate.

    Attributes:
        target: the asked share of negative clips let through, between 0 and 1.
        rate: share of keyword clips detected; None if it cannot be measured, and then `reason` says why.
        threshold: the least score that is let through.
        false_accept_rate: the share of negative clips that this threshold lets through; at most `target`.
    """

    target: float
    rate: float | None
    threshold: float | None = None
    false_accept_rate: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class DetPoint:
    """One threshold: the share of keyword clips missed or misnamed, and of negative clips let through."""

    threshold: float
    false_accept_rate: float
    miss_rate: float


def num_allowed(target: float, num_negatives: float) -> int:
    """How many of `num_negatives` clips may be let through: no more than the share asked for.

    The threshold that lets k of n scores through lets (k + 1) / (n + 1) of further ones through on average, so that
    rounding k down is nearly unbiased and rounding up would flatter.

    >>> num_allowed(0.05, 182), num_allowed(0.01, 100)
    (9, 1)
    """
    return int(np.floor(target * num_negatives + 1e-9))


def threshold_for(negative_scores: NDArray[np.float32], target: float) -> float:
    """The least threshold that lets at most the share `target` of float32[N] scores through, N ≥ 1, target < 1.

    It lies just above a score, so that of equal scores either all or none are let through.
    """
    descending = np.sort(negative_scores)[::-1]
    first_refused = descending[num_allowed(target, len(descending))]
    return float(np.nextafter(first_refused, np.float32(np.inf), dtype=np.float32))


def why_unmeasurable(target: float, num_negatives: int, num_keywords: int, kind: str = "_unknown_") -> str | None:
    """Why a detection rate at `target` cannot be measured on so many clips; None if it can."""
    if num_keywords == 0:
        return "there are no keyword clips"
    if num_negatives == 0:
        return f"there are no {kind} clips to be let through"
    if num_allowed(target, num_negatives) < 1:
        needed = int(np.ceil(1 / target - 1e-9))
        return f"{target:.2%} of {num_negatives} {kind} clips is less than one clip; at least {needed} are needed"
    return None


def why_no_interval(target: float, num_negatives: int) -> str | None:
    """Why a detection rate at `target` has no interval with so many clips to be rejected; None if it has one.

    With hardly more than one that may be let through, the threshold hangs on the two highest scores of all, and
    resamples tell too little of where others would lie: `benchmarks/interval_coverage.py` found 86 % of such intervals
    to hold, and 92 % or more of those from one and a half on.
    """
    needed = int(np.ceil(_ALLOWED_FOR_INTERVAL / target - 1e-9))
    if num_negatives >= needed:
        return None
    return f"{num_negatives} clips of other words say too little about the threshold; at least {needed} are needed"


def detection_at_far(
    predictions: Predictions, target: float, negatives: NDArray[np.bool_] | None = None, kind: str = "_unknown_"
) -> DetectionAtFar:
    """Share of keyword clips detected at the threshold that lets the share `target` of the negative clips through.

    Args:
        predictions: the clips.
        target: between 0 and 1, both excluded.
        negatives: bool[N], the clips to be rejected; None: all `_unknown_` ones.
        kind: what these clips are called in a reason.
    """
    mask = predictions.is_unknown if negatives is None else negatives
    negative_scores = predictions.keyword_score[mask]
    hits, scores = _keyword_hits(predictions)
    if reason := why_unmeasurable(target, len(negative_scores), len(scores), kind):
        return DetectionAtFar(target, None, reason=reason)
    threshold = threshold_for(negative_scores, target)
    return DetectionAtFar(
        target=target,
        rate=ratio(float((hits & (scores >= threshold)).sum()), len(scores)),
        threshold=threshold,
        false_accept_rate=ratio(float((negative_scores >= threshold).sum()), len(negative_scores)),
    )


def unseen_negatives(predictions: Predictions) -> NDArray[np.bool_]:
    """bool[N]: `_unknown_` clips of a word that the model was not shown as a negative.

    A clip that is only called `_unknown_` tells no word and is left out; none is new where the negatives are not
    known.
    """
    if not predictions.negatives_known:
        return np.zeros(len(predictions), dtype=np.bool_)
    shown = {*predictions.labels.negatives, predictions.labels.labels[predictions.labels.unknown_index]}
    new = np.array([word not in shown for word in predictions.words], dtype=np.bool_)
    return predictions.is_unknown & new


def det_curve(predictions: Predictions, max_points: int | None = None) -> tuple[DetPoint, ...]:
    """Every distinguishable threshold, from letting everything through to letting nothing through.

    The miss rate counts a keyword clip that is let through under a wrong name as missed, so that it does not fall to 0
    when everything is let through. The ROC is the same points with 1 - `miss_rate`.

    Args:
        predictions: the clips; empty result without keyword or `_unknown_` clips.
        max_points: thin the curve to about this many points (at least 2), spread evenly over its length.
    """
    hits, scores = _keyword_hits(predictions)
    negative_scores = predictions.keyword_score[predictions.is_unknown]
    if not len(scores) or not len(negative_scores):
        return ()
    distinct = np.unique(np.concatenate([scores, negative_scores]))
    above_all = np.nextafter(distinct[-1], np.float32(np.inf), dtype=np.float32)
    thresholds = np.append(distinct, above_all)
    accepted = 1.0 - np.searchsorted(np.sort(negative_scores), thresholds, side="left") / len(negative_scores)
    hit_scores = np.sort(scores[hits])
    detected = (len(hit_scores) - np.searchsorted(hit_scores, thresholds, side="left")) / len(scores)
    kept: Sequence[int] = range(len(thresholds))
    if max_points is not None and len(thresholds) > max_points:
        kept = np.unique(np.linspace(0, len(thresholds) - 1, max_points).round().astype(int)).tolist()
    return tuple(DetPoint(float(thresholds[i]), float(accepted[i]), float(1.0 - detected[i])) for i in kept)


def equal_error_rate(predictions: Predictions) -> float | None:
    """Where misses and false acceptances are equally frequent, interpolated between two thresholds.

    None without keyword or `_unknown_` clips.
    """
    points = det_curve(predictions)
    if not points:
        return None
    gap = np.array([point.false_accept_rate - point.miss_rate for point in points])
    # The gap falls from 1 - misses, with everything let through, to -1 with nothing let through.
    after = int(np.argmax(gap <= 0.0))
    if after == 0 or gap[after] == 0.0:
        return points[after].miss_rate
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    before = points[after - 1].miss_rate
    return float(before + share * (points[after].miss_rate - before))


def _keyword_hits(predictions: Predictions) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """bool[M] best keyword is the truth, and float32[M] scores, of the M keyword clips."""
    mask = predictions.is_keyword
    return (predictions.best_keyword == predictions.truth)[mask], predictions.keyword_score[mask]
