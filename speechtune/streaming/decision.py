"""From posteriors to detections: smoothing, thresholds, refractory time. The same lines in serving and evaluation."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import samples_from_ms
from speechtune.labels import LabelSet
from speechtune.recipe import DetectorSettings
from speechtune.streaming.config import EffectiveRule
from speechtune.streaming.events import Detection, Rejected, Score
from speechtune.streaming.windows import Span

_NUM_ALTERNATIVES = 3


@dataclass(frozen=True)
class UtteranceBegan:
    """A new stretch of speech."""


@dataclass(eq=False)
class WindowScored:
    """A window was scored; `whole_utterance` and `is_faint` as in `windows.Window`.

    Attributes:
        posteriors: float32[K]. None: of a window in a row whose other windows rule out that its average reaches a
            threshold (`window_choice`); they may be filled in later, for the sake of another row.
    """

    span: Span
    whole_utterance: bool
    posteriors: NDArray[np.float32] | None
    is_faint: bool = False


@dataclass(frozen=True)
class LongUtteranceEnded:
    """Speech of many windows ended; the span is all of it."""

    span: Span


Step: TypeAlias = UtteranceBegan | WindowScored | LongUtteranceEnded
"""What a decision is made of. None of it depends on a threshold."""


def ranked(posteriors: NDArray[np.float32], labels: LabelSet) -> tuple[Score, ...]:
    """All labels with their posteriors float32[K], best first; equal ones in the labels' order."""
    order = np.argsort(-posteriors, kind="stable")
    return tuple(Score(labels.labels[i], float(posteriors[i])) for i in order)


def stricter(threshold: float, logits: float) -> float:
    """A threshold, 0 to 1, moved up by `logits`; 0 and 1 stay.

    >>> round(stricter(0.5, 2.0), 3), stricter(0.0, 2.0), stricter(1.0, 2.0)
    (0.881, 0.0, 1.0)
    """
    if logits == 0.0 or threshold <= 0.0 or threshold >= 1.0:
        return threshold
    return 1.0 / (1.0 + (1.0 - threshold) / threshold * math.exp(-logits))


def decided(
    steps: Iterable[Step], labels: LabelSet, rules: dict[str, EffectiveRule], detector: DetectorSettings
) -> Iterator[Detection | Rejected]:
    """What a stream of these steps reports under `rules`: the same that its session would."""
    decision = Decision(labels, rules, detector)
    for step in steps:
        event = decision.follow(step)
        if event is not None:
            yield event


class Decision:
    """Decides for one stream; let it follow every step in order.

    Args:
        labels: the labels, in the order of the posteriors.
        rules: every reported keyword with its threshold and refractory time.
        detector: how many posteriors are averaged while windows pass over long speech, and how much surer they must be.
    """

    def __init__(self, labels: LabelSet, rules: dict[str, EffectiveRule], detector: DetectorSettings) -> None:
        self._labels = labels
        self._rules = rules
        self._caution = detector.long_speech_caution
        self._recent: deque[WindowScored] = deque(maxlen=detector.smoothing_windows)
        self._muted_until: dict[str, int] = {}
        self._columns = [labels.index(label) for label in rules]
        self._nearest_passing: NDArray[np.float32] | None = None
        self._detected_in_utterance = False
        self._held: set[str] = set()

    def update_rules(self, rules: dict[str, EffectiveRule]) -> None:
        """Report these keywords from the next window on; refractory times that run go on."""
        self._rules = rules
        self._columns = [self._labels.index(label) for label in rules]
        self._held &= rules.keys()

    def follow(self, step: Step) -> Detection | Rejected | None:
        """Take the next step of the stream."""
        if isinstance(step, WindowScored):
            return self._decide(step)
        if isinstance(step, LongUtteranceEnded):
            return self._end_utterance(step.span)
        self._begin_utterance()
        return None

    def _begin_utterance(self) -> None:
        """A new stretch of speech: nothing of the last one is averaged into it."""
        self._recent.clear()
        self._nearest_passing = None
        self._detected_in_utterance = False
        self._held.clear()

    def _decide(self, window: WindowScored) -> Detection | Rejected | None:
        """Decide on one window.

        A whole utterance is detected or rejected. A passing window is detected once the average of the last
        `smoothing_windows` posteriors reaches a threshold, else nothing is said before the speech ends.
        """
        if window.whole_utterance and window.posteriors is not None:
            if self._detected_in_utterance:
                return None
            caution = self._caution if window.is_faint else 0.0
            return self._detection(window.span, window.posteriors, caution) or self._rejection(
                window.span, window.posteriors, caution
            )
        self._recent.append(window)
        if len(self._recent) < (self._recent.maxlen or 1):
            return None
        smoothed, is_whole = self._smoothed()
        if self._nearest_passing is None or self._nearness(smoothed) > self._nearness(self._nearest_passing):
            self._nearest_passing = smoothed
        # A word stays in several windows: it must leave them before it can be heard again.
        self._held = {label for label in self._held if is_whole and self._passes(label, smoothed, self._caution)}
        return self._detection(window.span, smoothed, self._caution) if is_whole else None

    def _smoothed(self) -> tuple[NDArray[np.float32], bool]:
        """The average over the recent windows, float32[K], and whether all are in it.

        Where some were not scored because of the others, the lowest that those give each label stands for the row.
        """
        known = [window.posteriors for window in self._recent if window.posteriors is not None]
        if len(known) == len(self._recent):
            return np.mean(known, axis=0, dtype=np.float32), True
        return np.min(known, axis=0), False

    def _end_utterance(self, whole: Span) -> Detection | Rejected | None:
        """Long speech ended; if nothing was detected in it, say what came nearest."""
        if self._detected_in_utterance or not self._recent:
            return None
        if self._nearest_passing is not None:
            return self._rejection(whole, self._nearest_passing, self._caution)
        # Too short for a full row of windows: decide on those there are.
        smoothed, is_whole = self._smoothed()
        detection = self._detection(whole, smoothed, self._caution) if is_whole else None
        return detection or self._rejection(whole, smoothed, self._caution)

    def _detection(self, span: Span, posteriors: NDArray[np.float32], caution: float) -> Detection | None:
        passed = [label for label in self._rules if self._passes(label, posteriors, caution)]
        if not passed:
            return None
        label = max(passed, key=lambda label: float(posteriors[self._labels.index(label)]))
        rule, confidence = self._rules[label], float(posteriors[self._labels.index(label)])
        self._detected_in_utterance = True
        if label in self._held or span.decision_sample < self._muted_until.get(label, 0):
            return None
        self._held.add(label)
        self._muted_until[label] = span.decision_sample + samples_from_ms(rule.refractory_ms)
        others = [score for score in ranked(posteriors, self._labels) if score.label != label]
        return Detection(
            event_id=f"{span.decision_sample}-{label}",
            label=label,
            confidence=confidence,
            threshold=stricter(rule.threshold, caution),
            runner_up_margin=confidence - others[0].confidence,
            start_sample=span.start_sample,
            end_sample=span.end_sample,
            decision_sample=span.decision_sample,
            alternatives=tuple(others[:_NUM_ALTERNATIVES]),
        )

    def _rejection(self, span: Span, posteriors: NDArray[np.float32], caution: float) -> Rejected | None:
        best = ranked(posteriors, self._labels)[0]
        nearest, rule = max(
            zip(self._columns, self._rules.values(), strict=True), key=lambda pair: float(posteriors[pair[0]])
        )
        threshold = stricter(rule.threshold, caution)
        if posteriors[nearest] >= threshold:
            return None  # it passed its threshold and is only muted: that is not a rejection
        return Rejected(
            best.label, best.confidence, threshold, span.start_sample, span.end_sample, span.decision_sample
        )

    def _passes(self, label: str, posteriors: NDArray[np.float32], caution: float) -> bool:
        return bool(posteriors[self._labels.index(label)] >= stricter(self._rules[label].threshold, caution))

    def _nearness(self, posteriors: NDArray[np.float32]) -> float:
        return float(posteriors[self._columns].max())
