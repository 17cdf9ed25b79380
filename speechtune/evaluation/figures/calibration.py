"""Whether a confidence of 0.9 is right nine times in ten, and the one number that makes it so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ConfigError

NUM_BINS = 15
"""As in Guo et al. 2017; more bins hold too few clips of a small test set."""
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0


@dataclass(frozen=True)
class ReliabilityBin:
    """Clips whose confidence lies above `low` and up to `high`; the means are None in an empty bin."""

    low: float
    high: float
    num_clips: int
    mean_confidence: float | None
    accuracy: float | None


def bin_of(confidence: NDArray[np.floating], num_bins: int = NUM_BINS) -> NDArray[np.int64]:
    """int64[N]: the bin of every confidence; bins are equally wide and hold their upper edge, the first one also 0."""
    # float64, or the product would be rounded onto an edge that the confidence lies beside.
    bins = np.ceil(confidence.astype(np.float64) * num_bins).astype(np.int64) - 1
    return np.clip(bins, 0, num_bins - 1)


def reliability(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], num_bins: int = NUM_BINS
) -> tuple[ReliabilityBin, ...]:
    """Mean confidence beside accuracy, bin by bin.

    Args:
        confidence: [N], posterior of the answered label, 0 to 1.
        correct: bool[N], whether the answer was right.
        num_bins: equally wide bins between 0 and 1.
    """
    bins = bin_of(confidence, num_bins)
    counts = np.bincount(bins, minlength=num_bins)
    confidences = np.bincount(bins, weights=confidence, minlength=num_bins)
    hits = np.bincount(bins, weights=correct, minlength=num_bins)
    return tuple(
        ReliabilityBin(
            low=index / num_bins,
            high=(index + 1) / num_bins,
            num_clips=int(counts[index]),
            mean_confidence=float(confidences[index] / counts[index]) if counts[index] else None,
            accuracy=float(hits[index] / counts[index]) if counts[index] else None,
        )
        for index in range(num_bins)
    )


def expected_calibration_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], num_bins: int = NUM_BINS
) -> float | None:
    """Mean distance of confidence and accuracy, bins weighted by their clips (Guo et al. 2017); None without clips.

    >>> expected_calibration_error(np.array([0.75, 0.75]), np.array([True, False]))
    0.25
    """
    if not len(confidence):
        return None
    bins = bin_of(confidence, num_bins)
    gaps = np.bincount(bins, weights=confidence - correct.astype(np.float64), minlength=num_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def fit_temperature(logits: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """The temperature that makes `softmax(logits / temperature)` likeliest on clips the head was not fitted on.

    Of N clips that are all right, the likeliest temperature is 0, which would make every later answer certain. As Platt
    (1999) does, a share of 1 / (N + 2) of each target is therefore spread over all classes, as if about one more clip
    had been seen whose class is anybody's guess. The loss is convex in the inverse temperature: its slope changes sign
    once, and bisection finds where, within 0.05 and 20. Logits that tell nothing apart leave the temperature at 1.

    Args:
        logits: [N, C], N ≥ 1.
        targets: int64[N], the class of every clip.

    Returns:
        The temperature; above 1 the head was too sure of itself.

    Raises:
        ConfigError: no clips, or logits that are not finite.
    """
    if not len(logits) or not np.isfinite(logits).all():
        raise ConfigError("a temperature needs at least one clip and finite logits")
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    if not values.any():
        return 1.0
    spread = 1.0 / (len(values) + 2.0)
    of_target = (1.0 - spread) * values[np.arange(len(targets)), targets].mean() + spread * values.mean()

    def slope(inverse: float) -> float:
        weights = np.exp(inverse * values)
        return float(((weights * values).sum(axis=1) / weights.sum(axis=1)).mean() - of_target)

    low, high = math.log(1.0 / MAX_TEMPERATURE), math.log(1.0 / MIN_TEMPERATURE)
    for _ in range(60):  # halves the range of 6 to below 1e-17
        middle = (low + high) / 2.0
        if slope(math.exp(middle)) < 0.0:
            low = middle
        else:
            high = middle
    return math.exp(-(low + high) / 2.0)
