"""How often a model fires on talk at every level of its thresholds, and the level to take.

What was heard is minutes, what is asked for is a rate an hour: beyond the strongest false accept that was heard their
strengths are taken to fall exponentially, as peaks over a high level do (Pickands 1975).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.certainty.intervals import Interval, poisson_interval
from speechtune.evaluation.figures.operating_point import HIGHEST, LOWEST

LEVELS: tuple[float, ...] = tuple(np.arange(6.0, -3.01, -0.5).tolist())
"""Common levels of all thresholds that are tried, in logits, from the strictest down."""

EXCESS_OF_HELD_OUT_WORDS = 35.0
"""How many times as often heads fire that lack a fold of the negative words as the final head does, which has them all.
Ten Speech Commands words, three seeds, at thresholds of 0.35 over 2.1 hours of other people's sentences: 20 to 50."""
_TAIL_SHARE, _FEWEST_IN_TAIL = 0.25, 5
_USUAL_SCALE, _USUAL_WEIGHT = 0.7, 10.0
"""Scale of the tail in logits, as hours of other people's sentences showed it, and the false accepts that it is worth:
minutes of talk hold a handful, which alone would move a threshold from 0.3 to 0.6."""
_COUNT_OF_NONE = 0.7
"""What a count of none stands for: as many false accepts as let one hear none half of the time."""
_HIGHEST_IN_GAP = math.log(0.35 / 0.65)
"""Higher the middle of a gap need not be: from 0.2 on, talk did nothing to three phrases nor to ten words, and each
step up missed commands in noise."""
_WEAK_SHARE = 0.05
"""Share of the commands whose scores the gap does not count."""
_MOST_MISSED = 0.2
"""No threshold misses more of the commands than this, whatever the talk: a deaf device is of no use."""
_ENOUGH_MINUTES, _ENOUGH_WORDS = 1.5, 10
"""Talk, and different words in it, that may cost so many of the commands. Less may cost as much less: two or three
words that are like a command say nothing of all the others."""


@dataclass(frozen=True)
class TalkCurve:
    """False accepts on talk, counted as events of the session.

    Attributes:
        hours: talk that was heard.
        counts: int[len(LEVELS)], false accepts with all thresholds at each level of `LEVELS`.
        excess: how many times as often the heads that were heard fire as the final one will.
        num_words: different words that were strung together; None: it is recorded talk.
    """

    hours: float
    counts: tuple[int, ...]
    excess: float = 1.0
    num_words: int | None = None

    @property
    def evidence(self) -> float:
        """0 to 1: how far it may raise thresholds at the commands' cost."""
        words = 1.0 if self.num_words is None else self.num_words / _ENOUGH_WORDS
        return min(1.0, 60.0 * self.hours / _ENOUGH_MINUTES, words)

    def per_hour(self, level: float) -> float:
        """Estimated false accepts an hour of the final head, with all thresholds at `level`, in logits."""
        counts = (*self.counts[:-1], max(self.counts[-1], _COUNT_OF_NONE))
        rates = [count / self.hours / self.excess for count in counts]
        begin, scale = self._tail()
        if level <= LEVELS[begin]:
            return float(np.interp(level, LEVELS[::-1], rates[::-1]))
        return rates[begin] * math.exp(-(level - LEVELS[begin]) / scale)

    def level_for(self, false_accepts_per_hour: float) -> float:
        """The lowest level, in logits, with at most so many false accepts an hour, from which upwards that holds."""
        finer = np.arange(12.0, LEVELS[-1] - 0.01, -0.05)
        allowed = [level for level in finer.tolist() if self.per_hour(level) > false_accepts_per_hour]
        return max(allowed) + 0.05 if allowed else LEVELS[-1]

    def interval(self, level: float) -> Interval:
        """95 % interval of the rate an hour, of Poisson's law on what was counted at `level`."""
        counted = poisson_interval(self.counts[self._place(level)], self.hours)
        return Interval(counted.low / self.excess, counted.high / self.excess)

    def _place(self, level: float) -> int:
        """Index of the strictest tried level that is not above `level`."""
        return next((place for place, tried in enumerate(LEVELS) if tried <= level), len(LEVELS) - 1)

    def _tail(self) -> tuple[int, float]:
        """Where the tail begins among `LEVELS`, and its scale in logits."""
        wanted = max(_FEWEST_IN_TAIL, math.ceil(_TAIL_SHARE * self.counts[-1]))
        begin = next((place for place, count in enumerate(self.counts) if count >= wanted), len(LEVELS) - 1)
        new = np.diff(np.array([0, *self.counts[: begin + 1]])).clip(min=0)
        peaks = np.array(LEVELS[: begin + 1]) + 0.25
        excess = float((new * (peaks - LEVELS[begin])).sum())
        return begin, (excess + _USUAL_WEIGHT * _USUAL_SCALE) / (float(new.sum()) + _USUAL_WEIGHT)


def choose_level(
    curves: Sequence[TalkCurve], false_accepts_per_hour: float, commands: NDArray[np.float64], least: float
) -> tuple[float, str | None]:
    """The common level of all thresholds, in logits, and what a reader must know of it.

    Where commands and talk lie apart it stands in the middle of the gap, but not above 0.35, since talk that is known
    does not ask for more; where they overlap it is as high as the rate asks for, but misses no more than a fifth, and
    the less the less talk there was.

    Args:
        curves: what each kind of talk does; the level is one that is high enough for all.
        false_accepts_per_hour: that may be.
        commands: float64[N], logits of held-out commands under their own label, less their keyword's shift.
        least: level, in logits, that single words ask for.
    """
    safe = max(least, *(curve.level_for(false_accepts_per_hour) for curve in curves))
    if not len(commands):
        return max(safe, 0.0), None
    most_missed = _WEAK_SHARE + (_MOST_MISSED - _WEAK_SHARE) * max(curve.evidence for curve in curves)
    weak, deaf = (float(np.quantile(commands, share)) for share in (_WEAK_SHARE, most_missed))
    if safe < weak:
        return max(safe, min((safe + weak) / 2.0, _HIGHEST_IN_GAP)), None
    if safe > deaf:
        note = (
            "other speech scores so like the commands that thresholds against it would miss more than "
            f"{most_missed:.0%} of the commands, and stand lower; more recordings of other speech as negatives, above "
            "all of the place where it will listen, help most"
        )
        return deaf, note
    return safe, None


def level_between(commands: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """A common level in logits where no talk was recorded: between commands and what was synthesised.

    Args:
        commands: float64[N], as for `choose_level`.
        other: float64[M], the highest logit of any keyword in windows that are none, held out.
    """
    if not len(commands) or not len(other):
        return 0.0
    weak, strong = float(np.quantile(commands, _WEAK_SHARE)), float(np.quantile(other, 0.995))
    lowest = math.log(0.2 / 0.8)
    return float(np.clip((weak + strong) / 2.0, lowest, _HIGHEST_IN_GAP))


def as_thresholds(keywords: Sequence[str], shifts: NDArray[np.float64], level: float) -> dict[str, float]:
    """One threshold a keyword: `level` and its own shift, in logits, within what a threshold may be."""
    levels = 1.0 / (1.0 + np.exp(-(level + shifts)))
    return {keyword: float(np.clip(one, LOWEST, HIGHEST)) for keyword, one in zip(keywords, levels, strict=True)}
