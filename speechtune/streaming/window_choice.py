"""Which windows of long speech must be scored, so that detections are those that scoring all of them would give.

While windows pass over long speech, the average of a row of neighbouring posteriors must reach a threshold. A posterior
is at most 1, so that one that lies too low keeps every row that it belongs to below the threshold, whatever the others
of the row are. In a row of three and with a threshold of 0.9, for instance, one of less than 0.7 does. Talk is full of
such windows: then one window in each row is scored, and the others never are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.labels import LabelSet
from speechtune.recipe import DetectorSettings
from speechtune.streaming.config import EffectiveRule
from speechtune.streaming.decision import WindowScored, stricter
from speechtune.streaming.windows import Window

_ROUNDING = 1e-5  # averages are float32


class PlannedWindow:
    """A window that a stream has led to, and the step of its decision, which holds the posteriors once scored."""

    def __init__(self, window: Window) -> None:
        self.samples = window.samples
        self.step = WindowScored(window.span, window.whole_utterance, None, window.is_faint)

    @property
    def is_scored(self) -> bool:
        """Whether its posteriors are known."""
        return self.step.posteriors is not None


class WindowChoice:
    """Chooses among the windows that pass over one stretch of speech.

    Args:
        labels: the labels, in the order of the posteriors.
        rules: every reported keyword with its threshold.
        detector: how many posteriors are averaged, and how much surer they must be.
        exact_from: detections are exact at the thresholds of the rules, and at any from this one up. 0: every window is
            scored.
    """

    def __init__(
        self, labels: LabelSet, rules: dict[str, EffectiveRule], detector: DetectorSettings, exact_from: float = 1.0
    ) -> None:
        self._labels = labels
        self._detector = detector
        self._exact_from = exact_from
        self._length = detector.smoothing_windows
        self._num_passed = 0
        self._before: deque[PlannedWindow] = deque(maxlen=self._length - 1)
        self.update_rules(rules)

    def update_rules(self, rules: dict[str, EffectiveRule]) -> None:
        """Choose for these keywords from the next window on."""
        self._columns = [self._labels.index(label) for label in rules]
        lowest = [min(rule.threshold, self._exact_from) for rule in rules.values()]
        strict = np.array([stricter(threshold, self._detector.long_speech_caution) for threshold in lowest])
        self._too_low: NDArray[np.float64] = self._length * strict - (self._length - 1) - _ROUNDING

    def wanted(self, new: Sequence[PlannedWindow], *, is_last: bool) -> list[PlannedWindow]:
        """Those to be scored next, in order; none: every row that ends in a new window can be decided.

        Ask again once they are scored, until there are none, and then say that the new ones have `passed`.

        Args:
            new: the windows that follow on those that have passed.
            is_last: the speech ends after them.
        """
        if (self._too_low <= 0.0).any():
            return [window for window in new if not window.is_scored]
        windows = [*self._before, *new]
        # Speech that ends before there is a whole row is decided on what there is of it.
        is_short = is_last and self._num_passed + len(new) < self._length
        ends = [len(windows)] if is_short else range(max(len(self._before) + 1, self._length), len(windows) + 1)
        chosen: set[int] = set()
        for end in ends:
            row = range(max(end - self._length, 0), end)
            unscored = [place for place in row if not windows[place].is_scored]
            if not unscored or chosen & set(row) or self._is_too_low([windows[place] for place in row]):
                continue
            # The last one lies in the most rows to come. Where a scored one was not low enough, all are needed.
            chosen |= set(unscored[-1:] if len(unscored) == len(row) else unscored)
        return [windows[place] for place in sorted(chosen)]

    def passed(self, new: Sequence[PlannedWindow]) -> None:
        """Keep what rows to come need of these, which are decided."""
        self._before.extend(new)
        self._num_passed += len(new)

    def _is_too_low(self, row: Sequence[PlannedWindow]) -> bool:
        """Whether, for each keyword, some posterior of the row keeps its average below the threshold."""
        known = [window.step.posteriors for window in row if window.step.posteriors is not None]
        return bool(known) and bool((np.array(known)[:, self._columns] < self._too_low).any(axis=0).all())
