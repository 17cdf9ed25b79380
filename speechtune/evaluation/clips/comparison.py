"""Is B better than A? Two systems on the same clips, with the differences that speakers alone would explain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import DataError, ManifestError, UnknownLabelError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty.intervals import (
    FEW_SPEAKERS,
    NUM_RESAMPLES,
    Groups,
    Interval,
    difference_interval,
    groups_of,
)
from speechtune.evaluation.clips.headlines import Headline, headlines, resample_headlines

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class McNemar:
    """Clips that only one system got right, and how likely so uneven a split is if neither is better (two-sided)."""

    only_a: int
    only_b: int
    p_value: float


@dataclass(frozen=True)
class HeadlineDifference:
    """One headline of both systems; `difference` is B - A with its 95 % interval, None where it cannot be measured."""

    name: str
    a: float | None
    b: float | None
    difference: float | None
    interval: Interval | None
    verdict: str


@dataclass(frozen=True)
class ChangedClip:
    """A clip that one system answers rightly and the other does not."""

    clip_id: str
    word: str
    answer_a: str
    answer_b: str


@dataclass(frozen=True)
class Comparison:
    """What can be said of B against A.

    Attributes:
        num_clips: clips both systems answered.
        resampled: what the intervals resample, `speakers` or `clips`.
        mcnemar: on the accuracy over all labels, clips taken as independent.
        headlines: every headline, in the order of the report.
        won, lost: the clips that only B, and only A, gets right.
        verdict: one sentence on the accuracy; a difference is claimed only if McNemar and the interval both show it.
    """

    num_clips: int
    resampled: str
    mcnemar: McNemar
    headlines: tuple[HeadlineDifference, ...]
    won: tuple[ChangedClip, ...]
    lost: tuple[ChangedClip, ...]
    verdict: str


def compare(a: Predictions, b: Predictions, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Comparison:
    """Compare two systems on the clips of `a`; `b` may list the same clips and keywords in another order.

    Speakers are those that `a` knows, else those of `b`.

    Raises:
        UnknownLabelError: the systems have different keywords.
        DataError: they answered different clips, or disagree about what was said in one.
    """
    b = _paired(a, b)
    speakers = a.speakers if any(a.speakers) else b.speakers
    groups = groups_of(speakers)
    right_a, right_b = a.predicted == a.truth, b.predicted == b.truth
    test = mcnemar(right_a, right_b)
    lines_a, lines_b = headlines(a, groups), headlines(b, groups)
    resampled_a = resample_headlines(lines_a, groups, num_resamples, seed)
    resampled_b = resample_headlines(lines_b, groups, num_resamples, seed)
    differences = tuple(
        _difference(line_a, line_b, resampled_b[line_a.name] - resampled_a[line_a.name], groups)
        for line_a, line_b in zip(lines_a, lines_b, strict=True)
    )
    return Comparison(
        num_clips=len(a),
        resampled=groups.unit,
        mcnemar=test,
        headlines=differences,
        won=_changed(a, b, right_b & ~right_a),
        lost=_changed(a, b, right_a & ~right_b),
        verdict=_verdict(differences[0], test, groups),
    )


def mcnemar(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test, bool[N] each: of the clips that changed, is the split less even than chance makes it?"""
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return McNemar(only_a, only_b, _binomial_two_sided(min(only_a, only_b), only_a + only_b))


def _binomial_two_sided(fewer: int, num: int) -> float:
    """Probability that `num` fair coins split as unevenly as `fewer` or more so, on either side."""
    if 2 * fewer >= num:
        return 1.0
    drawn = np.arange(1, fewer + 1)
    log_choose = np.concatenate([[0.0], np.cumsum(np.log((num - drawn + 1) / drawn))])
    return min(1.0, 2.0 * float(np.exp(log_choose - num * math.log(2.0)).sum()))


def _paired(a: Predictions, b: Predictions) -> Predictions:
    """`b` with the clips and the keywords in the order of `a`."""
    if set(a.labels.keywords) != set(b.labels.keywords):
        only = sorted(set(a.labels.keywords) ^ set(b.labels.keywords))
        raise UnknownLabelError(f"only one of the systems has {', '.join(only)}; compare models of the same keywords")
    if differing := set(a.clip_ids) ^ set(b.clip_ids):
        example = min(differing)
        raise DataError(
            f"{len(differing)} clips were answered by only one of the systems, {example!r} for one; "
            "evaluate both on the same data"
        )
    row_of = {clip_id: row for row, clip_id in enumerate(b.clip_ids)}
    paired = b.take([row_of[clip_id] for clip_id in a.clip_ids])
    columns = [paired.labels.index(label) for label in a.labels.labels]
    for clip_id, word_a, word_b in zip(a.clip_ids, a.words, paired.words, strict=True):
        if a.labels.label_for(word_a) != a.labels.label_for(word_b):
            raise ManifestError(f"clip {clip_id!r} is {word_a!r} to one system and {word_b!r} to the other")
    return Predictions(
        labels=a.labels,
        posteriors=paired.posteriors[:, columns],
        words=a.words,
        clip_ids=a.clip_ids,
        speakers=paired.speakers,
    )


def _changed(a: Predictions, b: Predictions, mask: NDArray[np.bool_]) -> tuple[ChangedClip, ...]:
    names = a.labels.labels
    return tuple(
        ChangedClip(a.clip_ids[row], a.words[row], names[a.predicted[row]], names[b.predicted[row]])
        for row in np.flatnonzero(mask)
    )


def _difference(
    line_a: Headline, line_b: Headline, resampled: NDArray[np.float64], groups: Groups
) -> HeadlineDifference:
    if line_a.value is None or line_b.value is None:
        reason = line_a.reason or line_b.reason or "not measured"
        return HeadlineDifference(line_a.name, line_a.value, line_b.value, None, None, f"not measured: {reason}")
    difference = line_b.value - line_a.value
    interval = None
    if line_a.no_interval is None:
        interval = difference_interval(difference, resampled, groups.num_among(line_a.clips), int(line_a.clips.sum()))
    if interval is None:
        verdict = f"no interval: {line_a.no_interval or 'fewer than two speakers'}"
    elif 0.0 in interval:
        verdict = "no evidence of a difference"
    else:
        verdict = "B is better" if (difference > 0.0) != line_a.is_error else "A is better"
    return HeadlineDifference(line_a.name, line_a.value, line_b.value, difference, interval, verdict)


def _verdict(accuracy: HeadlineDifference, test: McNemar, groups: Groups) -> str:
    changed = f"{test.only_b} clips won, {test.only_a} lost, p = {_p_text(test.p_value)}"
    if groups.unit == "speakers" and groups.num_groups < FEW_SPEAKERS:
        changed += f"; {groups.num_groups} speakers say little about other voices"
    if accuracy.difference is None:
        return accuracy.verdict
    if accuracy.interval is None:
        return f"no verdict: one {groups.unit[:-1]} tells nothing about others ({changed})"
    low, high = accuracy.interval.low * 100.0, accuracy.interval.high * 100.0
    points = f"{accuracy.difference * 100.0:+.2f} points of accuracy, 95 % {low:+.2f} to {high:+.2f}; {changed}"
    if 0.0 in accuracy.interval or test.p_value >= SIGNIFICANCE:
        return f"no evidence of a difference ({points})"
    better = "B" if accuracy.difference > 0.0 else "A"
    return f"{better} is better ({points})"


def _p_text(p_value: float) -> str:
    return "< 0.0001" if p_value < 1e-4 else f"{p_value:.4f}"
