"""A window in doubt is looked at again: moved a little either way, and the answers averaged.

What a recogniser of few clips gets wrong it gets wrong narrowly, and not in every place of the word in its window. Sure
answers, seven clean clips in eight, are left as they are, so that a second look costs little where it cannot help.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import samples_from_ms
from speechtune.labels import LabelSet
from speechtune.streaming.config import Scorer

DOUBT = (0.05, 0.9)
"""Posteriors of the best keyword between which the answer is in doubt."""
MOVES_MS = (-75, 75)
"""How far the window's audio is moved; what leaves the window is lost, zeros take its place."""

_SMALLEST = 1e-12
_LOOKED_AT_ONCE = 64  # enough for many cores; the moved copies of all windows of many recordings would take memory


class SecondLookScorer:
    """A `streaming.config.Scorer` that asks another one, once where it is sure and three times where it is not.

    A window has the same posteriors whatever others it is scored with, where that holds for the scorer asked.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._moves = tuple(map(samples_from_ms, MOVES_MS))

    @property
    def labels(self) -> LabelSet:
        """The labels, in the order of the posteriors."""
        return self._scorer.labels

    @property
    def thresholds(self) -> dict[str, float]:
        """The calibrated threshold of every keyword."""
        return self._scorer.thresholds

    @property
    def window_samples(self) -> int:
        """Length of the windows it takes."""
        return self._scorer.window_samples

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[B, window_samples] to calibrated posteriors float32[B, K], each row summing to 1.

        Raises:
            UnsupportedAudioError: another shape.
        """
        posteriors = self._scorer.score(windows)
        best = posteriors[:, : len(self.labels.keywords)].max(axis=1)
        doubtful = np.flatnonzero((best > DOUBT[0]) & (best < DOUBT[1]))
        if not len(doubtful):
            return posteriors
        looked_twice = posteriors.copy()
        for start in range(0, len(doubtful), _LOOKED_AT_ONCE):
            some = doubtful[start : start + _LOOKED_AT_ONCE]
            moved = [_moved(windows[some], move) for move in self._moves]
            others = np.split(self._scorer.score(np.concatenate(moved)), len(moved))
            looked_twice[some] = _geometric_mean([posteriors[some], *others])
        return looked_twice


def with_second_look(scorer: Scorer, wanted: bool) -> Scorer:
    """`scorer` itself, or one that looks again where it is in doubt."""
    return SecondLookScorer(scorer) if wanted else scorer


def _moved(windows: NDArray[np.float32], num_samples: int) -> NDArray[np.float32]:
    """float32[B, N] moved to the right, or to the left where `num_samples` is negative."""
    moved = np.zeros_like(windows)
    if num_samples >= 0:
        moved[:, num_samples:] = windows[:, : windows.shape[1] - num_samples]
    else:
        moved[:, :num_samples] = windows[:, -num_samples:]
    return moved


def _geometric_mean(looks: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Posteriors float32[B, K] each, to the mean of their logarithms, each row summing to 1 again."""
    mean = np.exp(np.mean([np.log(np.maximum(look, _SMALLEST)) for look in looks], axis=0))
    posteriors: NDArray[np.float32] = (mean / mean.sum(axis=1, keepdims=True)).astype(np.float32)
    return posteriors
