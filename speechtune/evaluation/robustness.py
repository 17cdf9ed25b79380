"""For whom and where it works worse: the same figures by speaker, device, session and room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from speechtune.evaluation.confusion import closed_set_accuracy, ratio
from speechtune.evaluation.predictions import Predictions

Dimension = Literal["speaker", "device", "session", "room"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


@dataclass(frozen=True)
class Slice:
    """The clips that share one value, and how they fare.

    Attributes:
        value: the speaker, device, session or room.
        num_clips: its clips.
        accuracy: over all labels.
        closed_set_accuracy: None without keyword clips.
        false_accept_rate: share of its `_unknown_` clips that reach `threshold`; None without such clips or threshold.
        detection_rate: share of its keyword clips detected at `threshold`; None without such clips or threshold.
    """

    value: str
    num_clips: int
    accuracy: float
    closed_set_accuracy: float | None
    false_accept_rate: float | None
    detection_rate: float | None


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
    hits = passed & (part.best_keyword == part.truth)
    measured = threshold is not None
    return Slice(
        value=value,
        num_clips=len(part),
        accuracy=float((part.predicted == part.truth).mean()),
        closed_set_accuracy=closed_set_accuracy(part),
        false_accept_rate=ratio(float(passed[negatives].sum()), float(negatives.sum())) if measured else None,
        detection_rate=ratio(float(hits[keywords].sum()), float(keywords.sum())) if measured else None,
    )
