"""How far a figure can be trusted: 95 % intervals from resampled speakers, and for counted events.

Clips of one speaker are alike, so speakers are drawn with replacement, not clips (the cluster bootstrap). The spread of
the resampled figures is then read as an interval that also holds near 1, where percentiles of a bootstrap do not: with
no error seen, every resample says 1.000. `benchmarks/interval_coverage.py` shows how often the truth lies inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 2_000
CONFIDENCE = 0.95
FEW_SPEAKERS = 20
"""With fewer, nothing in their clips tells of the one voice in ten that is often misheard: intervals are too narrow,
those of differences most of all."""
Z = 1.959963984540054
"""The normal distribution's 97.5 % point."""

_MAX_WEIGHTS = 4_000_000  # resamples × clips held at once: about 100 MB with all that is computed from them
_MIN_DEFINED = 0.5
_NO_SPREAD = 1e-12  # resamples that differ by rounding alone
_MIN_DEGREES = 3  # where few speakers have nearly all the errors, their skewness says no more than that
_POISSON_STEPS = 200


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, 95 % confidence."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def ends(self) -> tuple[float, float]:
        """`low` and `high`, as figures are written."""
        return self.low, self.high


@dataclass(frozen=True)
class Groups:
    """Which clips are drawn together.

    Attributes:
        of_clip: int64[N], the group of every clip, 0 to `num_groups` - 1.
        num_groups: how many there are.
        unit: `speakers`, or `clips` where no speaker is known; then the intervals are too narrow.
    """

    of_clip: NDArray[np.int64]
    num_groups: int
    unit: Literal["speakers", "clips"]

    def num_among(self, mask: NDArray[np.bool_]) -> int:
        """How many groups have a clip in bool[N]."""
        return len(np.unique(self.of_clip[mask]))


def groups_of(speakers: Sequence[str | None]) -> Groups:
    """Group clips by speaker; a clip of an unknown speaker is a group of its own.

    >>> groups_of(["ann", None, "ann", "bob"]).of_clip.tolist()
    [0, 1, 0, 2]
    """
    index: dict[object, int] = {}
    of_clip = [
        index.setdefault(position if speaker is None else speaker, len(index))
        for position, speaker in enumerate(speakers)
    ]
    known = any(speaker is not None for speaker in speakers)
    return Groups(np.array(of_clip, dtype=np.int64), len(index), "speakers" if known else "clips")


def resampled_weights(groups: Groups, num_resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Draw the groups with replacement, `num_resamples` times: blocks int64[R, G] of how often each group is drawn.

    A block is small enough for R times the clips to fit in memory; the blocks together have `num_resamples` rows, which
    depend on the seed and the number of groups and clips alone.
    """
    rng = np.random.default_rng(seed)
    num_groups = groups.num_groups
    rows = max(1, min(num_resamples, _MAX_WEIGHTS // max(len(groups.of_clip), 1)))
    for first in range(0, num_resamples, rows):
        size = min(rows, num_resamples - first)
        drawn = rng.integers(0, num_groups, size=(size, num_groups))
        drawn += np.arange(size)[:, None] * num_groups
        yield np.bincount(drawn.ravel(), minlength=size * num_groups).reshape(size, num_groups)


def rate_interval(rate: float, resampled: NDArray[np.float64], num_groups: int, num_clips: int) -> Interval | None:
    """The interval of a share between 0 and 1 (an accuracy, an F1, a detection rate).

    The bootstrap gives the variance between speakers, that gives the number of independent clips that would tell as
    much, less for few or uneven speakers by Student's t, and that the exact interval of Clopper and Pearson (Korn and
    Graubard 1998). With every clip right it is that of as many independent clips.

    Args:
        rate: the figure on all clips.
        resampled: float64[R], the figure on every resample; NaN where a resample has no such figure.
        num_groups: how many speakers it rests on.
        num_clips: how many clips it rests on: clips are never worth more than independent ones.

    Returns:
        None with fewer than two speakers, or where most resamples have no figure.
    """
    variance = _bootstrap_variance(resampled, num_groups)
    if variance is None or num_clips < 1:
        return None
    spread = rate * (1.0 - rate)
    num_independent = min(spread / variance, num_clips) if variance > 0.0 else num_clips
    num = num_independent * (Z / student_quantile(_degrees(resampled, num_groups))) ** 2
    return binomial_interval(rate, num)


def binomial_interval(rate: float, num: float) -> Interval:
    """The exact interval of a share of `num` independent clips, 0 or more and not necessarily whole.

    After Clopper and Pearson 1934, 2.5 % on either side; its ends are quantiles of beta distributions, which take
    fractions of clips too.

    >>> interval = binomial_interval(1.0, 100)
    >>> round(interval.low, 3), interval.high
    (0.964, 1.0)
    """
    from scipy.special import betaincinv

    tail = (1.0 - CONFIDENCE) / 2.0
    right, wrong = rate * num, (1.0 - rate) * num
    low = float(betaincinv(right, wrong + 1.0, tail)) if right > 0.0 else 0.0
    high = float(betaincinv(right + 1.0, wrong, 1.0 - tail)) if wrong > 0.0 else 1.0
    # A rounding error may not push the figure itself out of its interval.
    return Interval(max(min(low, rate), 0.0), min(max(high, rate), 1.0))


def difference_interval(
    difference: float, resampled: NDArray[np.float64], num_groups: int, num_clips: int
) -> Interval | None:
    """The interval of a paired difference of two shares, -1 to 1: Student's t on the bootstrap's standard error.

    The error is at least that of one clip won and one lost, so that systems which answer alike are not called equal
    beyond what the number of clips can show. Arguments and None as in `rate_interval`.
    """
    variance = _bootstrap_variance(resampled, num_groups)
    if variance is None or num_clips < 1:
        return None
    half = student_quantile(_degrees(resampled, num_groups)) * math.sqrt(max(variance, 2.0 / num_clips**2))
    return Interval(max(difference - half, -1.0), min(difference + half, 1.0))


def corrected_interval(value: float, resampled: NDArray[np.float64], num_groups: int, chance: float) -> Interval | None:
    """The interval of a figure that noise makes larger (a calibration error), within 0 and 1.

    Each resample adds the same upward bias once more, so that their mean tells it and it is taken out (Efron and
    Tibshirani 1993); around what is left Student's t on the bootstrap's standard error. Near 0 resamples show less than
    the whole bias: the lower end is therefore at most `value` less what chance alone may add.

    Args:
        value, resampled, num_groups: as in `rate_interval`.
        chance: the figure that a faultless model is not above in 97.5 % of such sets of clips.
    """
    variance = _bootstrap_variance(resampled, num_groups)
    if variance is None:
        return None
    middle = 2.0 * value - float(np.nanmean(resampled))
    half = student_quantile(_degrees(resampled, num_groups)) * math.sqrt(variance)
    low, high = min(middle - half, value - chance), middle + half
    return Interval(float(np.clip(low, 0.0, 1.0)), float(np.clip(high, 0.0, 1.0)))


def _bootstrap_variance(resampled: NDArray[np.float64], num_groups: int) -> float | None:
    defined = resampled[np.isfinite(resampled)]
    if num_groups < 2 or len(defined) < max(_MIN_DEFINED * len(resampled), 2):
        return None
    # Drawing G of G groups underestimates the variance by (G - 1) / G.
    return float(defined.var()) * num_groups / (num_groups - 1)


def _degrees(resampled: NDArray[np.float64], num_groups: int) -> float:
    """Degrees of freedom of the variance between speakers.

    With G even speakers G - 1; fewer where some have most of the errors, because their variance is then known worse:
    2 G / (kurtosis - 1) (Satterthwaite 1946), the kurtosis being that of a gamma distribution of their skewness, which
    the resampled figures show divided by the root of G.
    """
    deviation = resampled[np.isfinite(resampled)]
    deviation = deviation - deviation.mean()
    spread = float(deviation.std())
    if spread < _NO_SPREAD:
        return float(num_groups - 1)
    squared_skewness = num_groups * float(((deviation / spread) ** 3).mean()) ** 2
    degrees = 2.0 * num_groups / (2.0 + 1.5 * squared_skewness)
    return float(np.clip(degrees, min(_MIN_DEGREES, num_groups - 1), num_groups - 1))


def student_quantile(degrees: float) -> float:
    """The 97.5 % point of Student's t distribution, to 0.2 %; `degrees` is 1, 2, or 3 and above.

    One and two degrees are exact, further ones follow Abramowitz and Stegun 26.7.5.

    >>> [round(student_quantile(degrees), 2) for degrees in (1, 2, 5, 30)]
    [12.71, 4.3, 2.57, 2.04]
    """
    if degrees == 1:
        return math.tan(math.pi * CONFIDENCE / 2.0)
    if degrees == 2:
        return CONFIDENCE * math.sqrt(2.0 / (1.0 - CONFIDENCE**2))
    z = Z
    terms = (
        (z**3 + z) / 4.0,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96.0,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384.0,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160.0,
    )
    return z + math.fsum(term / degrees**power for power, term in enumerate(terms, start=1))


def poisson_interval(count: int, exposure: float) -> Interval:
    """The interval of a rate of rare events, such as false accepts per hour.

    Exact (Garwood 1936), 2.5 % on either side. With no event the whole 5 % lie above: the rate is below 3 / exposure.

    Args:
        count: events seen, 0 or more.
        exposure: how long was looked, above 0; its unit is the rate's.

    >>> round(poisson_interval(0, 2.0).high, 2)
    1.5
    """
    if count == 0:
        return Interval(0.0, -math.log(1.0 - CONFIDENCE) / exposure)
    tail = (1.0 - CONFIDENCE) / 2.0
    low = _poisson_mean(count - 1, 1.0 - tail)
    high = _poisson_mean(count, tail)
    return Interval(low / exposure, high / exposure)


def _poisson_mean(count: int, probability: float) -> float:
    """The mean for which `count` events or fewer have this probability."""
    events = np.arange(count + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    low, high = 0.0, count + 10.0 * math.sqrt(count + 1.0) + 10.0
    for _ in range(_POISSON_STEPS):
        mean = (low + high) / 2.0
        if mean in (low, high):
            break
        if float(np.exp(events * math.log(mean) - mean - log_factorial).sum()) > probability:
            low = mean
        else:
            high = mean
    return (low + high) / 2.0
