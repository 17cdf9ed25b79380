"""Embeddings with the class and the weight of each: what a head is fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

PIECE_ROWS = 8_192
"""So many embeddings are worked on at once: a few dozen megabytes, however many there are."""


@dataclass(frozen=True)
class LabelledRows:
    """M of N embeddings.

    Attributes:
        embeddings: float32[N, E]; they may lie in a file that is mapped into memory, and be more than memory holds.
        targets: int64[M], the class of each row.
        weights: float32[M], summing to 1: what each row counts.
        indices: int64[M], which embeddings the rows are; None: all, in their order.
    """

    embeddings: Tensor
    targets: Tensor
    weights: Tensor
    indices: Tensor | None = None

    @classmethod
    def balanced(
        cls,
        embeddings: Tensor,
        targets: Tensor,
        balance: float,
        indices: Tensor | None = None,
        shares: Tensor | None = None,
    ) -> LabelledRows:
        """Rows of a class with n of them weigh n to the power of -`balance` each.

        Args:
            embeddings: float32[N, E].
            targets: int64[N], the class of every embedding.
            balance: 0 counts rows alike, 1 counts classes alike.
            indices: int64[M], the rows to take; None: all.
            shares: float32[C], what the weight of each class is multiplied by; None: nothing.
        """
        chosen = targets if indices is None else targets[indices]
        of_class = torch.bincount(chosen).float().clamp(min=1).pow(-balance)
        weights = (of_class if shares is None else of_class * shares)[chosen]
        return cls(embeddings, chosen, weights / weights.sum(), indices)

    def __len__(self) -> int:
        return len(self.targets)

    def pieces(self, columns: slice = slice(None)) -> Iterator[Tensor]:
        """These columns of the rows, float32[at most `PIECE_ROWS`, columns] one after the other."""
        return pieces_of(self.embeddings[:, columns], self.indices)


def pieces_of(embeddings: Tensor, rows: Tensor | None = None) -> Iterator[Tensor]:
    """float32[N, E], or its rows int64[M], as float32[at most `PIECE_ROWS`, E] one after the other."""
    if rows is None:
        yield from torch.split(embeddings, PIECE_ROWS)
        return
    for some in torch.split(rows, PIECE_ROWS):
        yield embeddings[some]
