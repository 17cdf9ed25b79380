"""The phase that trains the head alone: a convex problem on cached embeddings, solved to its optimum."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from speechtune.errors import TrainingDivergedError
from speechtune.models.head import KeywordHead
from speechtune.recipe import HeadSettings

_GRADIENT_TOLERANCE = 1e-5
_CHANGE_TOLERANCE = 1e-7


def train_head(
    head: KeywordHead, embeddings: Tensor, targets: Tensor, settings: HeadSettings, weights: Tensor | None = None
) -> None:
    """Fit standardisation and linear layer of `head` by L-BFGS; there is one optimum and no randomness.

    The loss is the weighted mean cross-entropy with `label_smoothing`, plus `l2` / 2 times the squared weights of the
    standardised embedding (the biases are free).

    Args:
        head: changed in place.
        embeddings: float32[N, E].
        targets: int64[N], class of each row.
        settings: strength of the penalty, smoothing, number of iterations.
        weights: float32[N], how much each row counts; none: all alike.

    Raises:
        TrainingDivergedError: the loss is not finite.
    """
    head.fit_standardisation(embeddings)
    inputs = head.standardise(embeddings)
    share = torch.ones(len(targets)) if weights is None else weights
    share = share / share.sum()
    linear = head.linear
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
        value: Tensor = (rows * share).sum() + settings.l2 / 2 * linear.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    if not all(bool(torch.isfinite(parameter).all()) for parameter in linear.parameters()):
        raise TrainingDivergedError(
            "head: the weights are no longer finite; raise head.l2, and look for damaged clips with: speechtune inspect"
        )
