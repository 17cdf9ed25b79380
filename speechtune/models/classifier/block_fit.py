"""The linear layer of one block of a head: a convex problem of standardised rows, solved to its optimum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from speechtune.models.classifier.labelled_rows import LabelledRows
from speechtune.recipe import HeadSettings

_KEPT_BYTES = 256 << 20  # of one block
_GRADIENT_TOLERANCE = 1e-5
_CHANGE_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Prior:
    """What is known of the classes before any clip is heard, in the space of the last block.

    Attributes:
        directions: float32[C, size of the last block], in which each class lies; zeros where nothing is known.
        groups: int64[C], from 0; the directions of one group are believed alike.
        share: 0 to 1, how much of the scale that fits the clips is kept.
    """

    directions: Tensor
    groups: Tensor
    share: float


class StandardisedBlock:
    """Some columns of rows, of zero mean and unit variance, in pieces; kept in memory where they fit.

    Attributes:
        rows: all columns.
        scale: float32[size of the block], the spread of the columns.
    """

    def __init__(self, rows: LabelledRows, columns: slice, mean: Tensor, scale: Tensor) -> None:
        """Take float32[E] mean and scale of all columns."""
        self.rows, self.scale = rows, scale[columns]
        self._columns, self._mean = columns, mean[columns]
        fits = len(rows) * len(self._mean) * rows.embeddings.element_size() <= _KEPT_BYTES
        self._kept = torch.cat(list(self._made())) if fits else None

    def pieces(self) -> Iterator[Tensor]:
        """float32[B, size of the block], one after the other."""
        return iter((self._kept,)) if self._kept is not None else self._made()

    def _made(self) -> Iterator[Tensor]:
        for piece in self.rows.pieces(self._columns):
            yield (piece - self._mean) / self.scale


def fit_block(
    linear: nn.Linear,
    block: StandardisedBlock,
    settings: HeadSettings,
    prior: Prior | None,
    told: Callable[[float], None] | None = None,
) -> None:
    """Fit `linear` in place to the rows of `block`, from zero or from what a `prior` says of its classes.

    `told` is given the loss at every step.
    """
    problem = _Problem(block, settings)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.zero_()
        if prior is not None:
            problem.begin_with(linear, prior)
    problem.fit(linear, told)


class _Problem:
    """The rows of one block, and what a linear layer is to make of them."""

    def __init__(self, block: StandardisedBlock, settings: HeadSettings) -> None:
        self._block, self._settings = block, settings
        self._targets, self._weights = block.rows.targets, block.rows.weights

    def fit(self, linear: nn.Linear, told: Callable[[float], None] | None) -> None:
        """Go down from where `linear` is, which the penalty draws it to."""
        centre = linear.weight.detach().clone()

        def penalty() -> Tensor:
            return self._settings.l2 / 2 * (linear.weight - centre).square().sum()

        self._descend(list(linear.parameters()), linear, penalty, told)

    def begin_with(self, linear: nn.Linear, prior: Prior) -> None:
        """Set the weights to the prior's directions at their scale, and the biases to what goes with it.

        A class without rows has no direction: a word held out to stand for words that nobody named must have no name.
        """
        has_rows = torch.bincount(self._targets, minlength=len(prior.directions)) > 0
        directions = prior.directions * self._block.scale * has_rows[:, None]
        scales = torch.zeros(int(prior.groups.max()) + 1, requires_grad=True)
        biases = torch.zeros(len(directions), requires_grad=True)
        with torch.enable_grad():
            self._descend(
                [scales, biases], lambda piece: (piece @ directions.T) * scales[prior.groups] + biases, lambda: None
            )
        # A scale below zero would turn words into their opposite: then the names tell nothing of the clips.
        kept = scales.detach().clamp(min=0.0) * prior.share
        linear.weight.copy_(directions * kept[prior.groups, None])
        linear.bias.copy_(biases.detach())

    def _descend(
        self,
        parameters: Sequence[Tensor],
        logits_of: Callable[[Tensor], Tensor],
        penalty: Callable[[], Tensor | None],
        told: Callable[[float], None] | None = None,
    ) -> None:
        """L-BFGS on the weighted loss of all rows, piece by piece, and the penalty."""
        optimiser = torch.optim.LBFGS(
            parameters,
            max_iter=self._settings.max_iterations,
            tolerance_grad=_GRADIENT_TOLERANCE,
            tolerance_change=_CHANGE_TOLERANCE,
            history_size=10,
            line_search_fn="strong_wolfe",
        )

        def loss() -> Tensor:
            optimiser.zero_grad()
            value = penalty()
            if value is not None:
                value.backward()  # type: ignore[no-untyped-call]
            total, first = torch.zeros(()) if value is None else value.detach(), 0
            for piece in self._block.pieces():
                here = slice(first, first + len(piece))
                losses = cross_entropy(
                    logits_of(piece),
                    self._targets[here],
                    label_smoothing=self._settings.label_smoothing,
                    reduction="none",
                )
                part = (losses * self._weights[here]).sum()
                part.backward()  # type: ignore[no-untyped-call]
                total, first = total + part.detach(), first + len(piece)
            if told is not None:
                told(float(total))
            return total

        with torch.enable_grad():
            optimiser.step(loss)  # type: ignore[no-untyped-call]
        for parameter in parameters:
            parameter.grad = None  # else a later phase would begin with the last gradient of this one
