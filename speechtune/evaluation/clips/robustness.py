"""For whom and where it works worse: the same figures by speaker, device, session and room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty.intervals import groups_of
from speechtune.evaluation.certainty.resampling import one_voice_interval, share_intervals
from speechtune.evaluation.figures.confusion import closed_set_accuracy, ratio

_NUM_RESAMPLES = 500

Dimension = Literal["speaker", "device", "session", "room"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


@dataclass(frozen=True)
class Slice:
    """The clips that share one value, and how they fare.

    Attributes:
        value: the speaker, device, session or room.
        num_clips: its clips.
        accuracy: over all labels, with its 95 % interval: of other speakers where the slice has several, else of other
            clips of this one.
        closed_set_accuracy: None without keyword clips.
        false_accept_rate: share of its `_unknown_` clips that reach `threshold`; None without such clips or threshold.
        detection_rate: share of its keyword clips detected at `threshold`; None without such clips or threshold.
    """

    value: str
    num_clips: int
    accuracy: float
    accuracy_interval: tuple[float, float] | None
    closed_set_accuracy: float | None
    closed_set_interval: tuple[float, float] | None
    false_accept_rate: float | None
    false_accept_interval: tuple[float, float] | None
    detection_rate: float | None
    detection_interval: tuple[float, float] | None


def slices(predictions: Predictions, dimension: Dimension, threshold: float | None = None) -> tuple[Slice, ...]:
    """The slices of one dimension, the least accurate first, then by name; clips of unknown value are left out.

    Empty where the data does not know the dimension. A slice of a few clips says little: look at `num_clips`.
    """
    values: Sequence[str | None] = {
        "speaker": predictions.speakers,
        "device": predictions.devices,
        "session": predictions.sessions,
        "room": predictions.rooms,
    }[dimension]
    rows_of: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        if value is not None:
            rows_of.setdefault(value, []).append(row)
    found = (_slice(predictions.take(rows), value, threshold) for value, rows in rows_of.items())
    return tuple(sorted(found, key=lambda part: (part.accuracy, part.value)))


def _slice(part: Predictions, value: str, threshold: float | None) -> Slice:
    negatives, keywords = part.is_unknown, part.is_keyword
    passed = part.keyword_score >= (np.inf if threshold is None else threshold)
    right, named = part.predicted == part.truth, part.best_keyword == part.truth
    every, none = np.ones(len(part), dtype=np.bool_), np.zeros(len(part), dtype=np.bool_)
    measured = threshold is not None
    let_in, heard = (negatives, keywords) if measured else (none, none)
    shares = [(right, every), (named, keywords), (passed, let_in), (passed & named, heard)]
    accuracy, closed, accepted, detected = _intervals(part, shares)
    return Slice(
        value=value,
        num_clips=len(part),
        accuracy=float(right.mean()),
        accuracy_interval=accuracy,
        closed_set_accuracy=closed_set_accuracy(part),
        closed_set_interval=closed,
        false_accept_rate=ratio(float(passed[negatives].sum()), float(negatives.sum())) if measured else None,
        false_accept_interval=accepted,
        detection_rate=ratio(float((passed & named)[keywords].sum()), float(keywords.sum())) if measured else None,
        detection_interval=detected,
    )


def _intervals(
    part: Predictions, shares: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]]
) -> list[tuple[float, float] | None]:
    """Of each share of the second clips that are the first ones."""
    if len(set(part.speakers)) == 1 and part.speakers[0] is not None:
        found = [one_voice_interval(hits[among]) for hits, among in shares]
    else:
        hits, among = [hits & among for hits, among in shares], [among for _, among in shares]
        found = share_intervals(hits, among, groups_of(part.speakers), _NUM_RESAMPLES)
    return [None if interval is None else interval.ends for interval in found]
