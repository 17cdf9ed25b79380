"""The phase that trains the head alone: a convex problem per block of cached embeddings, solved to its optimum."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from speechtune.errors import TrainingDivergedError
from speechtune.models.head import KeywordHead, pieces_of
from speechtune.recipe import HeadSettings

_KEPT_BYTES = 256 << 20  # of one block
_GRADIENT_TOLERANCE = 1e-5
_CHANGE_TOLERANCE = 1e-7


def train_head(
    head: KeywordHead, embeddings: Tensor, targets: Tensor, settings: HeadSettings, rows: Tensor | None = None
) -> None:
    """Fit standardisation and every block's linear layer of `head`; there is no randomness.

    A block's loss is the weighted mean cross-entropy with `label_smoothing`, plus `l2` / 2 times the squared weights of
    the standardised embedding (the biases are free); it is convex, and L-BFGS goes down it from zero. Time grows with
    the rows, and memory stops growing where they no longer fit in `_KEPT_BYTES`: then they are read anew in pieces.

    Args:
        head: changed in place.
        embeddings: float32[N, E].
        targets: int64[N], class of each row.
        settings: strength of the penalty, smoothing, balance of the classes, number of iterations.
        rows: int64[M], the rows to learn from; none: all.

    Raises:
        TrainingDivergedError: the weights are not finite.
    """
    head.fit_standardisation(embeddings, rows)
    chosen = targets if rows is None else targets[rows]
    weights = _row_weights(chosen, settings.class_balance)
    first = 0
    for linear, size in zip(head.linears, head.block_sizes, strict=True):
        assert isinstance(linear, nn.Linear)
        _fit(linear, _BlockRows(head, embeddings, rows, slice(first, first + size)), chosen, weights, settings)
        first += size
    if not all(bool(torch.isfinite(parameter).all()) for parameter in head.parameters()):
        raise TrainingDivergedError(
            "head: the weights are no longer finite; raise head.l2, and look for damaged clips with: speechtune inspect"
        )


def _row_weights(targets: Tensor, balance: float) -> Tensor:
    """float32[N], summing to 1."""
    counts = torch.bincount(targets).clamp(min=1).float()
    weights = counts.pow(-balance)[targets]
    return weights / weights.sum()


class _BlockRows:
    """The standardised rows of one block, in pieces; kept in memory where they fit."""

    def __init__(self, head: KeywordHead, embeddings: Tensor, rows: Tensor | None, columns: slice) -> None:
        self._embeddings, self._rows, self._columns = embeddings, rows, columns
        self._mean, self._scale = head.mean[columns], head.scale[columns]
        num_rows = len(embeddings) if rows is None else len(rows)
        fits = num_rows * len(self._mean) * embeddings.element_size() <= _KEPT_BYTES
        self._kept = torch.cat(list(self._made())) if fits else None

    def pieces(self) -> Iterator[Tensor]:
        """float32[B, size of the block], one after the other."""
        return iter((self._kept,)) if self._kept is not None else self._made()

    def _made(self) -> Iterator[Tensor]:
        for piece in pieces_of(self._embeddings[:, self._columns], self._rows):
            yield (piece - self._mean) / self._scale


def _fit(linear: nn.Linear, inputs: _BlockRows, targets: Tensor, weights: Tensor, settings: HeadSettings) -> None:
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
        value = settings.l2 / 2 * linear.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        total, first = value.detach(), 0
        for piece in inputs.pieces():
            here = slice(first, first + len(piece))
            losses = cross_entropy(
                linear(piece), targets[here], label_smoothing=settings.label_smoothing, reduction="none"
            )
            part = (losses * weights[here]).sum()
            part.backward()  # type: ignore[no-untyped-call]
            total, first = total + part.detach(), first + len(piece)
        return total

    with torch.enable_grad():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    linear.zero_grad()  # else a later phase would begin with the last gradient of this one
