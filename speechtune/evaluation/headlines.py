"""The figures a model is judged by, computed for thousands of resamples at once.

The same figures as `confusion`, `detection` and `calibration` give for one set of clips, here with every clip counted
as often as a resample drew it. With every weight 1 they are equal; tests hold them to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.calibration import bin_of, expected_calibration_error
from speechtune.evaluation.confusion import accuracy, closed_set_accuracy, confusion_matrix, macro_f1
from speechtune.evaluation.detection import detection_at_far, why_unmeasurable
from speechtune.evaluation.intervals import (
    NUM_RESAMPLES,
    Groups,
    Interval,
    groups_of,
    rate_interval,
    reflected_interval,
    resampled_weights,
)
from speechtune.evaluation.predictions import Predictions

FALSE_ACCEPT_RATES = (0.05, 0.01)
CALIBRATION_ERROR = "expected_calibration_error"

Weighted = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Group weights int64[R, G] to a figure float64[R], NaN where it is undefined."""


@dataclass(frozen=True, eq=False)
class Headline:
    """One figure, on all clips and on resamples.

    Attributes:
        name: its key in `metrics.json`; the rate follows an `@`, as in `detection_rate_at_far@0.05`.
        value: on all clips; None if it cannot be measured, and then `reason` says why.
        resample: the figure for given group weights.
        clips: bool[N], the clips it is a share of.
        is_error: smaller is better.
    """

    name: str
    value: float | None
    reason: str | None
    resample: Weighted
    clips: NDArray[np.bool_]
    is_error: bool = False

    def interval(self, resampled: NDArray[np.float64], groups: Groups) -> Interval | None:
        """The 95 % interval from float64[R] resampled values; None where `intervals` gives none."""
        if self.value is None:
            return None
        num_groups = groups.num_among(self.clips)
        if self.is_error:
            return reflected_interval(self.value, resampled, num_groups)
        return rate_interval(self.value, resampled, num_groups, int(self.clips.sum()))


def headlines(predictions: Predictions, groups: Groups) -> tuple[Headline, ...]:
    """Every headline of these clips, resampled by `groups`, in the order of the report."""
    every, keywords = np.ones(len(predictions), dtype=np.bool_), predictions.is_keyword
    confusion = confusion_matrix(predictions.truth, predictions.predicted, len(predictions.labels.labels))
    confidence, correct = predictions.posteriors.max(axis=1), predictions.predicted == predictions.truth
    no_clips = None if len(predictions) else "there are no clips"
    no_keywords = None if keywords.any() else "there are no keyword clips"
    named = predictions.best_keyword == predictions.truth
    calibration_error = expected_calibration_error(confidence, correct)
    weighted_error = _weighted_calibration_error(confidence, correct, groups)
    return (
        Headline("accuracy", accuracy(confusion), no_clips, _weighted_share(correct, every, groups), every),
        Headline(
            "closed_set_accuracy",
            closed_set_accuracy(predictions),
            no_keywords,
            _weighted_share(named, keywords, groups),
            keywords,
        ),
        Headline("macro_f1", macro_f1(confusion), no_clips, _weighted_macro_f1(predictions, groups), every),
        *(_detection(predictions, groups, target) for target in FALSE_ACCEPT_RATES),
        Headline(CALIBRATION_ERROR, calibration_error, no_clips, weighted_error, every, is_error=True),
    )


def headline_intervals(
    predictions: Predictions, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> dict[str, Interval | None]:
    """The 95 % interval of every headline; None where there is no figure or fewer than two speakers.

    With unknown speakers clips are resampled, which makes the intervals too narrow: `groups_of` says which it was.
    """
    groups = groups_of(predictions.speakers)
    lines = headlines(predictions, groups)
    resampled = resample_headlines(lines, groups, num_resamples, seed)
    return {line.name: line.interval(resampled[line.name], groups) for line in lines}


def resample_headlines(
    lines: tuple[Headline, ...], groups: Groups, num_resamples: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """float64[R] of every headline on the same resamples; none are drawn for one that has no value."""
    measured = [line for line in lines if line.value is not None]
    if groups.num_groups < 2 or not measured:
        return {line.name: np.full(num_resamples, np.nan) for line in lines}
    parts: dict[str, list[NDArray[np.float64]]] = {line.name: [] for line in measured}
    for weights in resampled_weights(groups, num_resamples, seed):
        for line in measured:
            parts[line.name].append(line.resample(weights))
    return {
        line.name: np.concatenate(parts[line.name]) if line.name in parts else np.full(num_resamples, np.nan)
        for line in lines
    }


def detection_name(target: float) -> str:
    """The headline's name of a detection rate at a false-acceptance rate.

    >>> detection_name(0.05)
    'detection_rate_at_far@0.05'
    """
    return f"detection_rate_at_far@{target:g}"


def _detection(predictions: Predictions, groups: Groups, target: float) -> Headline:
    found = detection_at_far(predictions, target)
    weighted = _weighted_detection(predictions, groups, target)
    return Headline(detection_name(target), found.rate, found.reason, weighted, predictions.is_keyword)


def _per_group(values: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """Sum float64[N] over the clips of every group: float64[G]."""
    return np.bincount(groups.of_clip, weights=values, minlength=groups.num_groups).astype(np.float64)


def _divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _weighted_share(hits: NDArray[np.bool_], among: NDArray[np.bool_], groups: Groups) -> Weighted:
    of_hits = _per_group((hits & among).astype(np.float64), groups)
    of_all = _per_group(among.astype(np.float64), groups)
    return lambda weights: _divide(weights @ of_hits, weights @ of_all)


def _weighted_macro_f1(predictions: Predictions, groups: Groups) -> Weighted:
    num_labels = len(predictions.labels.labels)
    labels = np.arange(num_labels)
    said, answered = predictions.truth[:, None] == labels, predictions.predicted[:, None] == labels
    per_label = [
        np.stack([_per_group(column.astype(np.float64), groups) for column in counted.T], axis=1)
        for counted in (said & answered, said, answered)
    ]

    def resample(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        hits, said_, answered_ = (weights @ counts for counts in per_label)
        f1 = np.where(said_ > 0, np.nan_to_num(_divide(2 * hits, said_ + answered_)), 0.0)
        return _divide(f1.sum(axis=1), (said_ > 0).sum(axis=1).astype(np.float64))

    return resample


def _weighted_calibration_error(
    confidence: NDArray[np.float32], correct: NDArray[np.bool_], groups: Groups
) -> Weighted:
    bins = bin_of(confidence)
    gaps = np.zeros((groups.num_groups, int(bins.max(initial=0)) + 1))
    np.add.at(gaps, (groups.of_clip, bins), confidence - correct.astype(np.float64))
    of_all = _per_group(np.ones(len(confidence)), groups)
    return lambda weights: _divide(np.abs(weights @ gaps).sum(axis=1), weights @ of_all)


def _weighted_detection(predictions: Predictions, groups: Groups, target: float) -> Weighted:
    scores, keywords = predictions.keyword_score, predictions.is_keyword
    hits = np.flatnonzero(keywords & (predictions.best_keyword == predictions.truth))
    hits = hits[np.argsort(-scores[hits], kind="stable")]
    negatives = np.flatnonzero(predictions.is_unknown)
    negatives = negatives[np.argsort(-scores[negatives], kind="stable")]
    # How many hits score above each negative: those that a threshold just above it lets through.
    num_above = np.searchsorted(-scores[hits], -scores[negatives], side="left")
    of_keywords = _per_group(keywords.astype(np.float64), groups)

    def resample(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        if why_unmeasurable(target, len(negatives), int(keywords.sum())):
            return np.full(len(weights), np.nan)
        let_through = np.cumsum(weights[:, groups.of_clip[negatives]], axis=1)
        total = let_through[:, -1]
        allowed = np.floor(target * total + 1e-9)
        first_refused = (let_through > allowed[:, None]).argmax(axis=1)
        detected = np.cumsum(weights[:, groups.of_clip[hits]], axis=1)
        detected = np.concatenate([np.zeros((len(weights), 1)), detected], axis=1)
        found = detected[np.arange(len(weights)), num_above[first_refused]]
        return np.where(total > 0, _divide(found, weights @ of_keywords), np.nan)

    return resample
