"""The 95 % intervals of what is not a headline: every label, confusion, bin of confidence and point of the DET."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty.intervals import NUM_RESAMPLES, Groups, Interval
from speechtune.evaluation.certainty.resampling import share_intervals
from speechtune.evaluation.figures.calibration import NUM_BINS, bin_of
from speechtune.evaluation.figures.detection import DetPoint

Masks = list[NDArray[np.bool_]]


@dataclass(frozen=True)
class RowIntervals:
    """Intervals of one set of predictions, on the same resamples of `groups`.

    Attributes:
        predictions, groups: of what.
        num_resamples, seed: of the bootstrap.
    """

    predictions: Predictions
    groups: Groups
    num_resamples: int = NUM_RESAMPLES
    seed: int = 0

    def labels(self) -> list[tuple[Interval | None, Interval | None, Interval | None]]:
        """Of precision, recall and F1 of every label; None as in `share_intervals`."""
        said, answered = self._per_label()
        right = [mine & ours for mine, ours in zip(said, answered, strict=True)]
        either = [mine.astype(np.int64) + ours for mine, ours in zip(said, answered, strict=True)]
        twice = [2 * hits.astype(np.int64) for hits in right]
        found = self._shares([*right, *right, *twice], [*answered, *said, *either])
        num = len(said)
        return list(zip(found[:num], found[num : 2 * num], found[2 * num :], strict=True))

    def confusion(self) -> dict[str, dict[str, Interval | None]]:
        """Of the share of a label's clips that got an answer, for every answer that occurs: said -> answered."""
        said, answered = self._per_label()
        names = self.predictions.labels.labels
        cells = sorted(set(zip(self.predictions.truth.tolist(), self.predictions.predicted.tolist(), strict=True)))
        found = self._shares([said[row] & answered[column] for row, column in cells], [said[row] for row, _ in cells])
        intervals: dict[str, dict[str, Interval | None]] = {name: {} for name in names}
        for (row, column), interval in zip(cells, found, strict=True):
            intervals[names[row]][names[column]] = interval
        return intervals

    def reliability(self) -> list[Interval | None]:
        """Of the accuracy of every bin of confidence."""
        bins = bin_of(self.predictions.posteriors.max(axis=1))
        correct = self.predictions.predicted == self.predictions.truth
        inside = [bins == index for index in range(NUM_BINS)]
        return self._shares([mask & correct for mask in inside], inside)

    def det(self, points: Sequence[DetPoint]) -> list[tuple[Interval | None, Interval | None]]:
        """Of false acceptance and miss rate at the threshold of every point."""
        answers = self.predictions
        keywords, unknown = answers.is_keyword, answers.is_unknown
        right = answers.best_keyword == answers.truth
        passed = [answers.keyword_score >= np.float32(point.threshold) for point in points]
        accepted = self._shares([unknown & mask for mask in passed], [unknown] * len(points))
        missed = self._shares([keywords & ~(mask & right) for mask in passed], [keywords] * len(points))
        return list(zip(accepted, missed, strict=True))

    def _per_label(self) -> tuple[Masks, Masks]:
        every = range(len(self.predictions.labels.labels))
        return [self.predictions.truth == label for label in every], [
            self.predictions.predicted == label for label in every
        ]

    def _shares(
        self,
        hits: Sequence[NDArray[np.bool_] | NDArray[np.int64]],
        among: Sequence[NDArray[np.bool_] | NDArray[np.int64]],
    ) -> list[Interval | None]:
        return share_intervals(hits, among, self.groups, self.num_resamples, self.seed)
