"""Embedding to logits: standardise, one linear layer per block, and the temperature that makes confidences honest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from speechtune.errors import ConfigError, TrainingDivergedError
from speechtune.models.classifier.block_fit import Prior, StandardisedBlock, fit_block
from speechtune.models.classifier.labelled_rows import LabelledRows, pieces_of
from speechtune.recipe import HeadSettings

_SMALLEST_SCALE = 1e-5


class KeywordHead(nn.Module):
    """Linear classifiers on the standardised blocks of an embedding, whose answers are multiplied.

    A block is what one layer of the encoder (or its decoder) says of the window. One classifier on all blocks together
    would lean on whichever fits the few training clips best; apart, they err apart, and their product is surer. Each
    log-probability is weighted, summed, and made a distribution again by the softmax after it.

    Everything it learnt is in its state: weights, standardisation (`mean`, `scale`), `block_weights`, `temperature`.
    """

    mean: Tensor
    scale: Tensor
    block_weights: Tensor
    temperature: Tensor

    def __init__(
        self, block_sizes: Sequence[int], num_classes: int, block_weights: Sequence[float] | None = None
    ) -> None:
        """Take blocks of `block_sizes`, one after the other in an embedding; without weights all count alike.

        Raises:
            ConfigError: no blocks, or weights that are not one positive number per block.
        """
        super().__init__()
        weights = [1.0] * len(block_sizes) if block_weights is None else list(block_weights)
        if not block_sizes or len(weights) != len(block_sizes) or not all(0.0 < w < float("inf") for w in weights):
            raise ConfigError(f"a head of blocks {tuple(block_sizes)} with weights {tuple(weights)}: one positive each")
        self.block_sizes = tuple(block_sizes)
        self.linears = nn.ModuleList(nn.Linear(size, num_classes) for size in block_sizes)
        embedding_size = sum(block_sizes)
        self.register_buffer("mean", torch.zeros(embedding_size))
        self.register_buffer("scale", torch.ones(embedding_size))
        self.register_buffer("block_weights", torch.tensor(weights))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, embeddings: Tensor) -> Tensor:
        """float32[B, E] to logits float32[B, C], before the temperature."""
        answers = [torch.log_softmax(logits, dim=1) for logits in self.block_logits(embeddings)]
        return torch.einsum("kbc,k->bc", torch.stack(answers), self.block_weights)

    def block_logits(self, embeddings: Tensor) -> list[Tensor]:
        """float32[B, E] to the logits float32[B, C] of every block."""
        parts = torch.split(self.standardise(embeddings), list(self.block_sizes), dim=1)
        return [linear(part) for linear, part in zip(self.linears, parts, strict=True)]

    def standardise(self, embeddings: Tensor) -> Tensor:
        """float32[B, E] to float32[B, E] of zero mean and unit variance on the clips that it was fitted to."""
        return (embeddings - self.mean) / self.scale

    def fit(
        self,
        rows: LabelledRows,
        settings: HeadSettings,
        prior: Prior | None = None,
        told: Callable[[float], None] | None = None,
    ) -> None:
        """Fit standardisation and every block's linear layer, in place; there is no randomness.

        A block's loss is the weighted mean cross-entropy with `label_smoothing`, plus `l2` / 2 times the squared
        weights of the standardised embedding (the biases are free); it is convex, and L-BFGS goes down it from zero.
        With a `prior` the weights of the last block are drawn towards its directions in place of zero: one scale for
        each group is fitted to the rows first, with the biases alone beside it, and `share` of it is kept. Time grows
        with the rows, and memory stops growing where they no longer fit: then they are read anew in pieces.

        Args:
            rows: to learn from.
            settings: strength of the penalty, smoothing, number of iterations.
            prior: of the last block; None: nothing is known.
            told: is given the loss at every step of the last block, the one that hears words.

        Raises:
            TrainingDivergedError: the weights are not finite.
            ConfigError: no rows, or embeddings that are not finite.
        """
        self.fit_standardisation(rows.embeddings, rows.indices)
        first = 0
        for number, (linear, size) in enumerate(zip(self.linears, self.block_sizes, strict=True), start=1):
            assert isinstance(linear, nn.Linear)
            block = StandardisedBlock(rows, slice(first, first + size), self.mean, self.scale)
            is_last = number == len(self.linears)
            fit_block(linear, block, settings, prior if is_last else None, told if is_last else None)
            first += size
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters()):
            raise TrainingDivergedError(
                "head: the weights are no longer finite; raise head.l2, and look for damaged clips with: speechtune "
                "inspect"
            )

    @torch.no_grad()
    def fit_standardisation(self, embeddings: Tensor, rows: Tensor | None = None) -> None:
        """Take mean and spread from training embeddings float32[N, E]; a feature that never varies is only centred.

        Args:
            embeddings: they may lie in a file that is mapped into memory, and be more than memory holds.
            rows: int64[M], the ones that count; none: all.

        Raises:
            ConfigError: no embedding, or one that is not finite.
        """
        num_rows = len(embeddings) if rows is None else len(rows)
        total = torch.zeros(embeddings.shape[1], dtype=torch.float64)
        for piece in pieces_of(embeddings, rows):
            total += piece.sum(dim=0, dtype=torch.float64)
        if num_rows == 0 or not bool(torch.isfinite(total).all()):
            raise ConfigError("standardisation needs at least one embedding, and finite ones")
        mean = (total / num_rows).float()
        squares = torch.zeros_like(total)
        for piece in pieces_of(embeddings, rows):
            squares += (piece - mean).square().sum(dim=0, dtype=torch.float64)
        scale = (squares / num_rows).sqrt().float()
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(scale > _SMALLEST_SCALE, scale, torch.ones_like(scale)))

    @torch.no_grad()
    def with_classes(self, order: Sequence[int]) -> KeywordHead:
        """A copy whose class i is this head's class `order[i]`."""
        copied = KeywordHead(self.block_sizes, len(order), self.block_weights.tolist())
        for new, old in zip(copied.linears, self.linears, strict=True):
            assert isinstance(new, nn.Linear)
            assert isinstance(old, nn.Linear)
            new.weight.copy_(old.weight[list(order)])
            new.bias.copy_(old.bias[list(order)])
        for name, value in self.named_buffers():
            copied.get_buffer(name).copy_(value)
        return copied

    @torch.no_grad()
    def weigh_last_block(self, weight: float) -> None:
        """Let the last block count `weight`, a positive number, against one of a layer."""
        self.block_weights[-1] = weight

    @torch.no_grad()
    def set_temperature(self, temperature: float) -> None:
        """Divide logits by `temperature` when posteriors are taken; above 1 makes them less sure.

        Raises:
            ConfigError: not a positive finite number.
        """
        if not 0.0 < temperature < float("inf"):
            raise ConfigError(f"temperature {temperature}: use a positive number")
        self.temperature.fill_(temperature)
