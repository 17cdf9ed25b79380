"""One threshold per keyword, for a false-acceptance rate that the user asks for.

Fed with out-of-fold posteriors of the training or validation clips: each clip scored by a head that never saw it.
Never with test clips: what was chosen on them cannot be measured on them.

How, in two steps, both made for few clips:

1. *How the keywords differ.* Where a threshold is best, one more false accept buys the same number of hits for every
   keyword (Neyman and Pearson), so a keyword whose scores run high gets a higher threshold. Per keyword that is too
   little data, so all share one logistic curve of right against false over the logit of the score, and each keyword
   moves along it by a shift that is pulled towards 0: with few clips the thresholds are nearly one.
2. *How high they lie together.* All thresholds move by one common amount until the share of negatives that passes any
   of them is the target, just as the session would let them through: interpolated between two negatives so that
   further ones pass at the target on average. Beyond the highest negative the scores are taken to fall exponentially.
   Every negative word counts alike, however many clips it has, and so does speech that names no word: hours of easy
   negatives else lower the thresholds until every hard one passes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ConfigError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.confusion import ratio

DEFAULT_THRESHOLD = 0.5
"""Without negatives: the keyword is likelier than everything else together."""
LOWEST, HIGHEST = 0.05, 0.995
"""No threshold lies outside: below it nearly everything fires, above it calibrated scores of true keywords end."""

_FLOAT_EDGE = 1e-6  # posteriors of 0 and 1 have no logit
_SHIFT_SPREAD = 0.5  # how far keywords' scores are expected to lie apart, in logits
_TAIL_SHARE, _MIN_TAIL = 0.25, 5  # of the negatives, from which an exponential tail is fitted
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class OperatingPoint:
    """Thresholds and what they do on the clips they were chosen on.

    Attributes:
        thresholds: of every keyword, 0 to 1; a posterior at or above it is a detection.
        false_accept_rate: share of the negatives that pass any threshold, every word counted alike; None without any.
        detection_rate: share of the keyword clips detected under their own name; None without keyword clips.
        note: what a reader must know, or None: no negatives, or a target that the limits of the thresholds prevent.
    """

    thresholds: dict[str, float]
    false_accept_rate: float | None
    detection_rate: float | None
    note: str | None = None


def choose_thresholds(predictions: Predictions, false_accept_rate: float, lowest: float = LOWEST) -> OperatingPoint:
    """Choose one threshold per keyword so that the share `false_accept_rate` of the negatives passes any of them.

    The share is that of the average negative word.

    Args:
        predictions: out-of-fold posteriors; the negatives are the `_unknown_` clips, or the
            `_silence_` ones where there are no others.
        false_accept_rate: between 0 and 1, both excluded.
        lowest: no threshold lies below; raise it where the negatives are of words that the heads had heard.

    Raises:
        ConfigError: a rate out of range, or no clips at all.
    """
    if not 0.0 < false_accept_rate < 1.0:
        raise ConfigError(f"false_accept_rate {false_accept_rate}: choose a share between 0 and 1")
    if not len(predictions):
        raise ConfigError("thresholds cannot be chosen without clips")
    keywords = predictions.labels.keywords
    negatives = _negatives(predictions)
    if not negatives.any():
        even = dict.fromkeys(keywords, DEFAULT_THRESHOLD)
        note = f"no negatives: every threshold is {DEFAULT_THRESHOLD}, and what it lets through is not known"
        return measured(predictions, even, note)
    shifts = keyword_shifts(predictions)
    common = word_level(predictions, false_accept_rate, shifts)
    levels = np.clip(_sigmoid(common + shifts), lowest, HIGHEST)
    thresholds = {keyword: float(level) for keyword, level in zip(keywords, levels, strict=True)}
    return measured(predictions, thresholds, _limit_note(common + shifts, false_accept_rate))


def accepted(predictions: Predictions, thresholds: dict[str, float]) -> NDArray[np.int64]:
    """int64[N]: the keyword that each clip is reported as, as the session decides it; -1 where none is.

    Of the keywords at or above their thresholds it is the one with the greatest posterior.
    """
    keywords = predictions.labels.keywords
    levels = np.array([thresholds[keyword] for keyword in keywords])
    posteriors = predictions.posteriors[:, : len(keywords)].astype(np.float64)
    passed = np.where(posteriors >= levels, posteriors, -1.0)
    return np.where(passed.max(axis=1) >= 0.0, passed.argmax(axis=1), -1)


def word_level(predictions: Predictions, false_accept_rate: float, shifts: NDArray[np.float64]) -> float:
    """The common level of all thresholds, in logits, that the share `false_accept_rate` of the negative words passes.

    Args:
        predictions: out-of-fold posteriors, some of them of negatives.
        false_accept_rate: between 0 and 1, both excluded.
        shifts: float64[K], how much higher each keyword's threshold lies, in logits.
    """
    negatives = _negatives(predictions)
    scores = logit(predictions.posteriors[:, : len(shifts)])
    return _tail_quantile(
        (scores[negatives] - shifts).max(axis=1), false_accept_rate, _word_shares(predictions, negatives)
    )


def measured(predictions: Predictions, thresholds: dict[str, float], note: str | None) -> OperatingPoint:
    """These thresholds, and what they do on these clips."""
    reported, keywords = accepted(predictions, thresholds), predictions.is_keyword
    negatives = _negatives(predictions)
    shares = _word_shares(predictions, negatives)
    return OperatingPoint(
        thresholds=thresholds,
        false_accept_rate=min(1.0, float(shares[reported[negatives] >= 0].sum())) if shares.size else None,
        detection_rate=ratio(float((reported == predictions.truth)[keywords].sum()), float(keywords.sum())),
        note=note,
    )


def _negatives(predictions: Predictions) -> NDArray[np.bool_]:
    # Silence scores far below any threshold: beside words it would only dilute the rate.
    return predictions.is_unknown if predictions.is_unknown.any() else ~predictions.is_keyword


def _word_shares(predictions: Predictions, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """float64[clips chosen], summing to 1: every word's clips together count as much as another word's."""
    _, word, counts = np.unique(np.array(predictions.words)[chosen], return_inverse=True, return_counts=True)
    shares: NDArray[np.float64] = 1.0 / counts[word] / max(len(counts), 1)
    return shares


def _limit_note(levels: NDArray[np.float64], false_accept_rate: float) -> str | None:
    if (levels > logit(np.float64(HIGHEST))).any():
        return (
            f"{false_accept_rate:.2%} false acceptance asks for thresholds above {HIGHEST}: some negatives score like "
            "keywords; listen to them, or give more of such words as negatives"
        )
    return None


def keyword_shifts(predictions: Predictions) -> NDArray[np.float64]:
    """float64[K], in logits: how much higher each keyword's threshold lies than the common one.

    The mode of P(right | clip answered k with logit z) = sigmoid(slope · (z - centre - shift_k)), fitted as
    sigmoid(slope · z + offset + bias_k) with normal priors on slope (around 1, as for calibrated scores) and biases.
    """
    scores = logit(predictions.posteriors[:, : len(predictions.labels.keywords)])
    num_keywords = scores.shape[1]
    answered = predictions.best_keyword
    right = (answered == predictions.truth).astype(np.float64)
    one_hot = np.eye(num_keywords)[answered]
    design = np.column_stack([scores[np.arange(len(scores)), answered], np.ones(len(scores)), one_hot])
    prior_mean = np.concatenate([[1.0, 0.0], np.zeros(num_keywords)])
    prior_precision = np.concatenate([[1.0, 1e-3], np.full(num_keywords, _SHIFT_SPREAD**-2)])
    weights = prior_mean.copy()
    for _ in range(_NEWTON_STEPS):
        chance = _sigmoid(design @ weights)
        gradient = design.T @ (chance - right) + prior_precision * (weights - prior_mean)
        curvature = (design * (chance * (1.0 - chance))[:, None]).T @ design + np.diag(prior_precision)
        step = np.linalg.solve(curvature, gradient)
        # A full step may overshoot while the curve is flat; shorter ones arrive too.
        weights -= step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    slope, biases = max(float(weights[0]), 0.1), weights[2:]
    shifts: NDArray[np.float64] = -(biases - biases.mean()) / slope
    return np.clip(shifts, -4 * _SHIFT_SPREAD, 4 * _SHIFT_SPREAD)


def _tail_quantile(scores: NDArray[np.float64], share: float, weights: NDArray[np.float64]) -> float:
    """The level that the share `share` of scores float64[N] lies at or above, N ≥ 1; `weights` float64[N] sum to 1."""
    num = len(scores)
    order = np.argsort(-scores, kind="stable")
    descending, weights = scores[order], weights[order]
    above = np.cumsum(weights)
    # Weibull's plotting position: the k-th greatest of n is exceeded by k / (n + 1) of further ones on average.
    positions = above * num / (num + 1)
    if share >= positions[0]:
        return float(np.interp(share, positions, descending))
    size = min(num - 1, max(_MIN_TAIL, math.ceil(_TAIL_SHARE * num)))
    if size < 1:
        return float(descending[0])
    start = descending[size]
    mean_excess = float(np.average(descending[:size] - start, weights=weights[:size]))
    return max(float(descending[0]), float(start + mean_excess * math.log(above[size - 1] / share)))


def logit(posteriors: NDArray[np.floating] | np.float64) -> NDArray[np.float64]:
    """Log-odds of posteriors, finite at 0 and 1 too."""
    inside = np.clip(np.asarray(posteriors, dtype=np.float64), _FLOAT_EDGE, 1.0 - _FLOAT_EDGE)
    logit: NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return logit


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sigmoid: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(values / 2.0))
    return sigmoid
