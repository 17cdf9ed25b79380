"""Who was taken for whom: the confusion matrix and everything that is counted from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.answers.predictions import Predictions

_COLLAPSE_SHARE = 0.9


@dataclass(frozen=True)
class LabelScores:
    """How one label fares.

    Attributes:
        num_clips: clips of that label.
        precision: share of the clips so called that are so; None if none was.
        recall: share of its clips that were found; None if there are none.
        f1: their harmonic mean, 2 TP / (2 TP + FP + FN); None if the label was neither said nor answered.
    """

    num_clips: int
    precision: float | None
    recall: float | None
    f1: float | None


def confusion_matrix(truth: NDArray[np.int64], predicted: NDArray[np.int64], num_labels: int) -> NDArray[np.int64]:
    """Count clips: int64[K, K], a row for what was said and a column for the answer.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    counts = np.bincount(truth * num_labels + predicted, minlength=num_labels * num_labels)
    return counts.reshape(num_labels, num_labels)


def ratio(numerator: float, denominator: float) -> float | None:
    """A share, or None where there is nothing to take a share of.

    >>> ratio(1, 4), ratio(0, 0)
    (0.25, None)
    """
    return float(numerator / denominator) if denominator > 0 else None


def accuracy(confusion: NDArray[np.int64]) -> float | None:
    """Share of all clips whose label was answered; None without clips."""
    return ratio(float(np.trace(confusion)), float(confusion.sum()))


def label_scores(confusion: NDArray[np.int64]) -> tuple[LabelScores, ...]:
    """Precision, recall and F1 of every label, in the order of the matrix."""
    hits, said, answered = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        LabelScores(
            num_clips=int(said[label]),
            precision=ratio(hits[label], answered[label]),
            recall=ratio(hits[label], said[label]),
            f1=ratio(2 * hits[label], said[label] + answered[label]),
        )
        for label in range(len(confusion))
    )


def macro_f1(confusion: NDArray[np.int64]) -> float | None:
    """Mean F1 over the labels that were said; None without clips.

    A label that was only answered is no term of the mean: its wrong answers lower the F1 of the labels they belong to.
    """
    f1 = [scores.f1 for scores in label_scores(confusion) if scores.num_clips > 0 and scores.f1 is not None]
    return float(np.mean(f1)) if f1 else None


def closed_set_accuracy(predictions: Predictions) -> float | None:
    """Share of the keyword clips whose best keyword is the one said, `_unknown_` and `_silence_` left aside.

    None without keyword clips. It says nothing about rejection; `detection_rate_at_far` does.
    """
    hits = (predictions.best_keyword == predictions.truth)[predictions.is_keyword]
    return ratio(float(hits.sum()), float(hits.size))


def collapsed_onto(confusion: NDArray[np.int64]) -> int | None:
    """The label that nearly every clip was called by a model that has stopped telling them apart, if there is one.

    That is: at least 90 % of the answers, at least twice its share of the clips.
    """
    total = confusion.sum()
    answered, said = confusion.sum(axis=0), confusion.sum(axis=1)
    label = int(answered.argmax())
    collapsed = total > 0 and answered[label] >= _COLLAPSE_SHARE * total and answered[label] >= 2 * said[label]
    return label if collapsed else None
