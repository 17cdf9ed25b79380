"""The best weights so far by what held-out clips say, and when to stop looking for better ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class BestWeights:
    """Keeps a copy of `parameters` at the best validation; `patience` validations without a better one are too many.

    Attributes:
        step, score: of the best validation; None before the first.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], patience: int) -> None:
        self._parameters, self._patience = parameters, patience
        self._weights: list[Tensor] | None = None
        self._num_worse = 0
        self.step: int | None = None
        self.score: float | None = None

    def note(self, step: int, score: float) -> None:
        """Take note of a validation, more is better; of equal ones the first is kept."""
        if self.score is not None and score <= self.score:
            self._num_worse += 1
            return
        self.step, self.score, self._num_worse = step, score, 0
        self._weights = [parameter.detach().clone() for parameter in self._parameters]

    @property
    def is_stale(self) -> bool:
        """Whether patience is at its end."""
        return self._num_worse >= self._patience

    @torch.no_grad()
    def restore(self) -> None:
        """Put the best weights back; without a validation nothing happens."""
        for parameter, value in zip(self._parameters, self._weights or (), strict=False):
            parameter.copy_(value)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and tensors on the CPU."""
        weights = None if self._weights is None else [value.cpu() for value in self._weights]
        return {"step": self.step, "score": self.score, "num_worse": self._num_worse, "weights": weights}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.step, self.score, self._num_worse = state["step"], state["score"], state["num_worse"]
        weights = state["weights"]
        if weights is not None:
            weights = [value.to(parameter.device) for value, parameter in zip(weights, self._parameters, strict=True)]
        self._weights = weights
