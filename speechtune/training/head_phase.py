"""The phase that trains the head alone: a convex problem per block of cached embeddings, solved to its optimum."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from speechtune.errors import TrainingDivergedError
from speechtune.models.head import KeywordHead
from speechtune.recipe import HeadSettings

_GRADIENT_TOLERANCE = 1e-5
_CHANGE_TOLERANCE = 1e-7


def train_head(head: KeywordHead, embeddings: Tensor, targets: Tensor, settings: HeadSettings) -> None:
    """Fit standardisation and every block's linear layer of `head`; there is no randomness.

    A block's loss is the weighted mean cross-entropy with `label_smoothing`, plus `l2` / 2 times the squared weights of
    the standardised embedding (the biases are free); it is convex, and L-BFGS goes down it from zero.

    Args:
        head: changed in place.
        embeddings: float32[N, E].
        targets: int64[N], class of each row.
        settings: strength of the penalty, smoothing, balance of the classes, number of iterations.

    Raises:
        TrainingDivergedError: the weights are not finite.
    """
    head.fit_standardisation(embeddings)
    weights = _row_weights(targets, settings.class_balance)
    blocks = torch.split(head.standardise(embeddings), list(head.block_sizes), dim=1)
    for linear, block in zip(head.linears, blocks, strict=True):
        assert isinstance(linear, nn.Linear)
        _fit(linear, block.contiguous(), targets, weights, settings)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in head.parameters()):
        raise TrainingDivergedError(
            "head: the weights are no longer finite; raise head.l2, and look for damaged clips with: speechtune inspect"
        )


def _row_weights(targets: Tensor, balance: float) -> Tensor:
    """float32[N], summing to 1."""
    counts = torch.bincount(targets).clamp(min=1).float()
    weights = counts.pow(-balance)[targets]
    return weights / weights.sum()


def _fit(linear: nn.Linear, inputs: Tensor, targets: Tensor, weights: Tensor, settings: HeadSettings) -> None:
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.zero_()
    optimiser = torch.optim.LBFGS(
        linear.parameters(),
        max_iter=settings.max_iterations,
        tolerance_grad=_GRADIENT_TOLERANCE,
        tolerance_change=_CHANGE_TOLERANCE,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        rows = cross_entropy(linear(inputs), targets, label_smoothing=settings.label_smoothing, reduction="none")
        value: Tensor = (rows * weights).sum() + settings.l2 / 2 * linear.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    linear.zero_grad()  # else a later phase would begin with the last gradient of this one
