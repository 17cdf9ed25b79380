"""Which clips sound like another label than their own: ridge regression from embeddings, clip by clip held out.

The prediction for a clip by a regression on all the others follows in closed form from the one on all of them (Allen's
PRESS, 1974), so that judging N clips costs one fit, not N.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RIDGE_OF_FEW = 0.1  # against embeddings of unit mean square; between 0.03 and 0.3 it hardly matters
_RIDGE = 0.3  # between 0.1 and 1 it hardly matters
_EVIDENCE = 0.1  # a score below which there is hardly any likeness
_BLOCK = 4_096
_MANY_CLIPS = 10_000


def held_out_scores(embeddings: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much each clip sounds like each label, judged by the other clips: float64[N, K], about 0 to 1.

    Args:
        embeddings: float32[N, E], N ≥ 2.
        targets: int64[N], the label of each clip, 0 to K - 1, every one of them taken.
    """
    standard = _Standard(embeddings)
    truth = np.eye(int(targets.max()) + 1)[targets]
    mean = truth.mean(axis=0)
    predicted, leverage = (_fit_dual if len(targets) <= embeddings.shape[1] else _fit_primal)(
        standard, embeddings, truth - mean
    )
    held_out: NDArray[np.float64] = truth - (truth - mean - predicted) / (1.0 - leverage)[:, None]
    return held_out


def scores_of(
    embeddings: NDArray[np.float32], targets: NDArray[np.int64], others: NDArray[np.float32]
) -> NDArray[np.float64]:
    """How much other clips float32[M, E] sound like each label of the given ones: float64[M, K], about 0 to 1.

    Labels count alike, however many clips each of them has.

    Args:
        embeddings: float32[N, E], N ≥ 2, a few clips per label.
        targets: int64[N], the label of each clip, 0 to K - 1, every one of them taken.
        others: float32[M, E].
    """
    standard = _Standard(embeddings)
    truth = np.eye(int(targets.max()) + 1)[targets]
    known = standard.of(embeddings)
    weights = np.linalg.solve(known @ known.T + _RIDGE_OF_FEW * np.eye(len(known)), truth - truth.mean(axis=0))
    scores: NDArray[np.float64] = standard.of(others) @ (known.T @ weights) + 1.0 / truth.shape[1]
    return scores


def margin_of_others(scores: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """By how much the best other label beats a clip's own: float64[N]; negative where its own one is best.

    >>> margin_of_others(np.array([[0.9, 0.2], [0.5, 0.25]]), np.array([0, 1])).tolist()
    [-0.7, 0.25]
    """
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, targets] = -np.inf
    margin: NDArray[np.float64] = others.max(axis=1) - scores[rows, targets]
    return margin


def doubt(scores: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many times as much as its own label the best other one is heard in a clip: float64[N]; below 1 all is well.

    A ratio, not a difference: a clip in which little is heard is doubted too, if that little is another word.

    >>> doubt(np.array([[0.9, 0.1], [0.0, 0.3]]), np.array([0, 0])).round(3).tolist()
    [0.2, 4.0]
    """
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, targets] = 0.0
    best, own = others.max(axis=1), scores[rows, targets]
    ratio: NDArray[np.float64] = (np.maximum(best, 0.0) + _EVIDENCE) / (np.maximum(own, 0.0) + _EVIDENCE)
    return ratio


class _Standard:
    """Zero mean and unit variance in every dimension, unit mean square of the whole."""

    def __init__(self, embeddings: NDArray[np.float32]) -> None:
        self._mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = embeddings.std(axis=0, dtype=np.float64)
        # A dimension that hardly varies among a few clips says nothing of the next one.
        scale = (deviation + 0.01 * deviation.mean() + 1e-9) * np.sqrt(embeddings.shape[1])
        self._factor = (1.0 / scale).astype(np.float32)

    def of(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        standard: NDArray[np.float32] = (embeddings - self._mean) * self._factor
        return standard


def _fit_dual(
    standard: _Standard, embeddings: NDArray[np.float32], truth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predictions float64[N, K] and the share float64[N] that each clip has in its own; N³, in float32."""
    known = standard.of(embeddings)
    unit = np.eye(len(known), dtype=np.float32)
    hat = unit - np.float32(_RIDGE) * np.linalg.inv(known @ known.T + np.float32(_RIDGE) * unit)
    return (hat @ truth.astype(np.float32)).astype(np.float64), np.diagonal(hat).astype(np.float64)


def _fit_primal(
    standard: _Standard, embeddings: NDArray[np.float32], truth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same in E³ + N·E², block by block: only `embeddings` are ever held whole. Products are float32."""
    size = embeddings.shape[1]
    covariance, moment = _RIDGE * np.eye(size), np.zeros((size, truth.shape[1]))
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(embeddings), _BLOCK)]
    for block in blocks:
        known = standard.of(embeddings[block])
        covariance += known.T @ known
        moment += known.T @ truth[block].astype(np.float32)
    # The more clips, the smaller the ridge beside their sum: single precision would lose it.
    precise = covariance if len(embeddings) > _MANY_CLIPS else covariance.astype(np.float32)
    inverse = np.linalg.inv(precise).astype(np.float32)
    weights = inverse @ moment.astype(np.float32)
    predicted, leverage = [], []
    for block in blocks:
        known = standard.of(embeddings[block])
        predicted.append(known @ weights)
        leverage.append(np.einsum("nd,nd->n", known @ inverse, known))
    return np.concatenate(predicted).astype(np.float64), np.concatenate(leverage).astype(np.float64)
