"""The figures a model is judged by, computed for thousands of resamples at once.

The same figures as `confusion`, `detection` and `calibration` give for one set of clips, here with every clip counted
as often as a resample drew it. With every weight 1 they are equal; tests hold them to that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty.intervals import (
    NUM_RESAMPLES,
    Groups,
    Interval,
    Z,
    corrected_interval,
    groups_of,
    rate_interval,
    resampled_weights,
)
from speechtune.evaluation.certainty.resampling import Weighted, divide, per_group, weighted_share
from speechtune.evaluation.figures.calibration import bin_of, expected_calibration_error
from speechtune.evaluation.figures.confusion import accuracy, closed_set_accuracy, confusion_matrix, macro_f1
from speechtune.evaluation.figures.detection import (
    detection_at_far,
    equal_error_rate,
    unseen_negatives,
    why_no_interval,
    why_unmeasurable,
)

FALSE_ACCEPT_RATES = (0.05, 0.01)
EQUAL_ERROR_RATE = "equal_error_rate"
CALIBRATION_ERROR = "expected_calibration_error"


@dataclass(frozen=True, eq=False)
class Headline:
    """One figure, on all clips and on resamples.

    Attributes:
        name: its key in `metrics.json`; the rate follows an `@`, as in `detection_rate_at_far@0.05`.
        value: on all clips; None if it cannot be measured, and then `reason` says why.
        resample: the figure for given group weights.
        clips: bool[N], the clips it is a share of.
        is_error: smaller is better.
        chance: of a figure that noise makes larger (a calibration error) what noise alone may make it; None of others.
        no_interval: why there is no interval, where there is a figure; None: that depends on the speakers alone.
    """

    name: str
    value: float | None
    reason: str | None
    resample: Weighted
    clips: NDArray[np.bool_]
    is_error: bool = False
    chance: float | None = None
    no_interval: str | None = None

    def interval(self, resampled: NDArray[np.float64], groups: Groups) -> Interval | None:
        """The 95 % interval from float64[R] resampled values; None with `no_interval` or where `intervals` has none."""
        if self.value is None or self.no_interval is not None:
            return None
        num_groups = groups.num_among(self.clips)
        if self.chance is not None:
            return corrected_interval(self.value, resampled, num_groups, self.chance)
        return rate_interval(self.value, resampled, num_groups, int(self.clips.sum()))


def headlines(predictions: Predictions, groups: Groups) -> tuple[Headline, ...]:
    """Every headline of these clips, resampled by `groups`, in the order of the report."""
    every, keywords = np.ones(len(predictions), dtype=np.bool_), predictions.is_keyword
    confusion = confusion_matrix(predictions.truth, predictions.predicted, len(predictions.labels.labels))
    correct = predictions.predicted == predictions.truth
    no_clips = None if len(predictions) else "there are no clips"
    no_keywords = None if keywords.any() else "there are no keyword clips"
    named = predictions.best_keyword == predictions.truth
    return (
        Headline("accuracy", accuracy(confusion), no_clips, weighted_share(correct, every, groups), every),
        Headline(
            "closed_set_accuracy",
            closed_set_accuracy(predictions),
            no_keywords,
            weighted_share(named, keywords, groups),
            keywords,
        ),
        Headline("macro_f1", macro_f1(confusion), no_clips, _weighted_macro_f1(predictions, groups), every),
        *(_detection(predictions, groups, target) for target in FALSE_ACCEPT_RATES),
        _equal_error(predictions, groups),
        _calibration(predictions, groups, no_clips),
    )


def unseen_headlines(predictions: Predictions, groups: Groups) -> tuple[Headline, ...]:
    """Detection rates where the negative clips are of words that the model was not shown, in the order of the report.

    They belong to one model: two models were shown different words, so that `comparison` has no use for them.
    """
    unseen = unseen_negatives(predictions)
    return tuple(_detection(predictions, groups, target, unseen) for target in FALSE_ACCEPT_RATES)


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


def detection_name(target: float, unseen: bool = False) -> str:
    """The headline's name of a detection rate at a false-acceptance rate, of all other words or of unseen ones.

    >>> detection_name(0.05)
    'detection_rate_at_far@0.05'
    """
    return f"detection_rate_at_far{'_unseen' if unseen else ''}@{target:g}"


def _detection(
    predictions: Predictions, groups: Groups, target: float, unseen: NDArray[np.bool_] | None = None
) -> Headline:
    kind = "_unknown_" if unseen is None else "unseen `_unknown_`"
    negatives = predictions.is_unknown if unseen is None else unseen
    found = detection_at_far(predictions, target, negatives, kind)
    reason = found.reason
    if unseen is not None and not predictions.negatives_known:
        reason = "which words the system was trained on as negatives is not known"
    return Headline(
        detection_name(target, unseen is not None),
        found.rate,
        reason,
        _weighted_detection(predictions, groups, target, negatives),
        predictions.is_keyword,
        no_interval=None if found.rate is None else why_no_interval(target, int(negatives.sum())),
    )


def _equal_error(predictions: Predictions, groups: Groups) -> Headline:
    value = equal_error_rate(predictions)
    reason = "it needs both keyword clips and _unknown_ clips" if value is None else None
    both = predictions.is_keyword | predictions.is_unknown
    return Headline(EQUAL_ERROR_RATE, value, reason, _weighted_equal_error(predictions, groups), both, is_error=True)


def _weighted_macro_f1(predictions: Predictions, groups: Groups) -> Weighted:
    num_labels = len(predictions.labels.labels)
    labels = np.arange(num_labels)
    said, answered = predictions.truth[:, None] == labels, predictions.predicted[:, None] == labels
    per_label = [
        np.stack([per_group(column.astype(np.float64), groups) for column in counted.T], axis=1)
        for counted in (said & answered, said, answered)
    ]

    def resample(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        hits, said_, answered_ = (weights @ counts for counts in per_label)
        f1 = np.where(said_ > 0, np.nan_to_num(divide(2 * hits, said_ + answered_)), 0.0)
        return divide(f1.sum(axis=1), (said_ > 0).sum(axis=1).astype(np.float64))

    return resample


def _calibration(predictions: Predictions, groups: Groups, no_clips: str | None) -> Headline:
    confidence, correct = predictions.posteriors.max(axis=1), predictions.predicted == predictions.truth
    value = expected_calibration_error(confidence, correct)
    bins = bin_of(confidence)
    gaps = np.zeros((groups.num_groups, int(bins.max(initial=0)) + 1))
    np.add.at(gaps, (groups.of_clip, bins), confidence - correct.astype(np.float64))
    of_all = per_group(np.ones(len(confidence)), groups)
    every = np.ones(len(confidence), dtype=np.bool_)
    return Headline(
        CALIBRATION_ERROR,
        value,
        no_clips,
        lambda weights: divide(np.abs(weights @ gaps).sum(axis=1), weights @ of_all),
        every,
        is_error=True,
        chance=_chance_gap(gaps) / max(len(confidence), 1),
    )


def _chance_gap(gaps: NDArray[np.float64]) -> float:
    """What the sum of absolute bin gaps float64[G, bins] stays below in 97.5 % of sets, if the true ones are 0.

    Each bin's sum over the groups is about normal; the mean of its absolute value is the root of 2 / pi deviations.
    """
    num_groups = len(gaps)
    if num_groups < 2:
        return 0.0
    variance = num_groups * gaps.var(axis=0, ddof=1)
    mean = math.sqrt(2.0 / math.pi) * np.sqrt(variance).sum()
    return float(mean + Z * math.sqrt((1.0 - 2.0 / math.pi) * variance.sum()))


def _weighted_detection(
    predictions: Predictions, groups: Groups, target: float, is_negative: NDArray[np.bool_]
) -> Weighted:
    scores, keywords = predictions.keyword_score, predictions.is_keyword
    hits = _by_score(scores, keywords & (predictions.best_keyword == predictions.truth))
    negatives = _by_score(scores, is_negative)
    # How many hits score above each negative: those that a threshold just above it lets through.
    num_above = np.searchsorted(-scores[hits], -scores[negatives], side="left")
    of_keywords = per_group(keywords.astype(np.float64), groups)

    def resample(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        if why_unmeasurable(target, len(negatives), int(keywords.sum())):
            return np.full(len(weights), np.nan)
        let_through = np.cumsum(weights[:, groups.of_clip[negatives]], axis=1)
        total = let_through[:, -1]
        allowed = np.floor(target * total + 1e-9)
        first_refused = (let_through > allowed[:, None]).argmax(axis=1)
        detected = _drawn_so_far(weights[:, groups.of_clip[hits]])
        found = detected[np.arange(len(weights)), num_above[first_refused]].astype(np.float64)
        return np.where(total > 0, divide(found, weights @ of_keywords), np.nan)

    return resample


def _weighted_equal_error(predictions: Predictions, groups: Groups) -> Weighted:
    scores, keywords, unknown = predictions.keyword_score, predictions.is_keyword, predictions.is_unknown
    hits = _by_score(scores, keywords & (predictions.best_keyword == predictions.truth))
    negatives = _by_score(scores, unknown)
    thresholds = np.unique(np.concatenate([scores[hits], scores[negatives]]))[::-1]
    # Above them all nothing is let through, then each lets through all that score as much or more.
    num_hits = np.append(0, np.searchsorted(-scores[hits], -thresholds, side="right"))
    num_negatives = np.append(0, np.searchsorted(-scores[negatives], -thresholds, side="right"))
    of_keywords, of_unknown = per_group(keywords, groups), per_group(unknown, groups)

    def resample(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        rows = np.arange(len(weights))
        found, passed = (_drawn_so_far(weights[:, groups.of_clip[clips]]) for clips in (hits, negatives))
        all_keywords, all_unknown = weights @ of_keywords, weights @ of_unknown

        def rates(place: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            missed = 1.0 - divide(found[rows, num_hits[place]].astype(np.float64), all_keywords)
            return divide(passed[rows, num_negatives[place]].astype(np.float64), all_unknown), missed

        # From threshold to threshold more is let through and less missed: halve until the two have crossed.
        after, before = np.zeros(len(weights), dtype=np.int64), np.full(len(weights), len(num_hits))
        for _ in range(len(num_hits).bit_length()):
            middle = (after + before) // 2
            accepted, missed = rates(middle)
            crossed = accepted > missed
            after, before = np.where(crossed, after, middle), np.where(crossed, middle, before)
        accepted_after, missed_after = rates(after)
        accepted_before, missed_before = rates(np.minimum(before, len(num_hits) - 1))
        gap_before, gap_after = accepted_before - missed_before, accepted_after - missed_after
        share = np.where(gap_before > gap_after, divide(gap_before, gap_before - gap_after), 1.0)
        interpolated: NDArray[np.float64] = missed_before + share * (missed_after - missed_before)
        return interpolated

    return resample


def _by_score(scores: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of these clips, the highest score first."""
    rows = np.flatnonzero(mask)
    return rows[np.argsort(-scores[rows], kind="stable")]


def _drawn_so_far(drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often the first 0, 1, 2, … clips were drawn: int64[R, N] to int64[R, N + 1]."""
    counted = np.zeros((drawn.shape[0], drawn.shape[1] + 1), dtype=np.int64)
    np.cumsum(drawn, axis=1, out=counted[:, 1:])
    return counted
