"""Labels that cannot be told apart, by what heads answered on clips that they were not trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.operating_point import logit
from speechtune.labels import RESERVED
from speechtune.training.head.cross_fitting import OutOfFold

_LEAST_SHARE = 0.25
"""Of the clips of both labels: a pair that is taken for each other less often is told apart, if not well."""
_MOST_ORDERED = 0.8
"""Of all pairs of a clip of each: so often the one is more like its own label than the other is. Chance gives half."""
_FEWEST_TAKEN = 2


@dataclass(frozen=True)
class Confusion:
    """Two labels that are taken for each other.

    Attributes:
        labels: the two; the first is a command, the second a command or a negative word.
        num_taken: held-out clips that were taken for the other label of the two.
        num_clips: that could have been.
        is_negative: the second one is a negative word, whose own clips are held out with it and are not counted.
    """

    labels: tuple[str, str]
    num_taken: int
    num_clips: int
    is_negative: bool = False

    def __str__(self) -> str:
        """One sentence: which labels, how often, and what to do."""
        first, second = self.labels
        if self.is_negative:
            return (
                f"{first!r} is hard to tell from the negative word {second!r}: {self.num_taken} of {self.num_clips} "
                f"clips of {first!r} were taken for it while they were held out; if both are the same word, take "
                f"{second!r} out of the negatives"
            )
        return (
            f"{first!r} and {second!r} are hard to tell apart: {self.num_taken} of their {self.num_clips} clips were "
            "taken for the other while they were held out; if both are the same word, make one label of them, else "
            "choose a command that sounds different"
        )


def find_confusions(held_out: OutOfFold) -> tuple[Confusion, ...]:
    """The pairs of labels that heads did not tell apart, the most frequent confusion first."""
    found = [*_among_keywords(held_out.predictions), *_with_negatives(held_out)]
    return tuple(sorted(found, key=lambda pair: (-pair.num_taken / pair.num_clips, pair.labels)))


def _among_keywords(predictions: Predictions) -> Iterator[Confusion]:
    keywords = predictions.labels.keywords
    scores = logit(predictions.posteriors[:, : len(keywords)])
    for first in range(len(keywords)):
        for second in range(first + 1, len(keywords)):
            own, other = (np.flatnonzero(predictions.truth == label) for label in (first, second))
            lead, answers = scores[:, first] - scores[:, second], predictions.best_keyword
            num_taken = int((answers[own] == second).sum() + (answers[other] == first).sum())
            num_clips = len(own) + len(other)
            if _is_frequent(num_taken, num_clips) and _ordered(lead[own], lead[other]) <= _MOST_ORDERED:
                yield Confusion((keywords[first], keywords[second]), num_taken, num_clips)


def _with_negatives(held_out: OutOfFold) -> Iterator[Confusion]:
    labels = held_out.predictions.labels
    for keyword in range(len(labels.keywords)):
        own = np.flatnonzero(held_out.predictions.truth == keyword)
        for word in (word for word in labels.negatives if word not in RESERVED):
            num_taken = int((held_out.answers[own] == labels.classes.index(word)).sum())
            if _is_frequent(num_taken, len(own)):
                yield Confusion((labels.keywords[keyword], word), num_taken, len(own), is_negative=True)


def _is_frequent(num_taken: int, num_clips: int) -> bool:
    return num_taken >= _FEWEST_TAKEN and num_taken >= _LEAST_SHARE * num_clips


def _ordered(own: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of the pairs of a clip of each: share where the first label leads by more on its own; ties are half."""
    if not len(own) or not len(other):
        return 1.0
    return float((own[:, None] > other[None]).mean() + 0.5 * (own[:, None] == other[None]).mean())
