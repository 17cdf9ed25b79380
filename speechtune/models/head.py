"""Embedding to logits: standardise, one linear layer, and the temperature that makes confidences honest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speechtune.errors import ConfigError

_SMALLEST_SCALE = 1e-5


class KeywordHead(nn.Module):
    """Linear classifier on standardised embeddings.

    Everything it learnt is in its state: weights, standardisation (`mean`, `scale`) and `temperature`.
    """

    mean: Tensor
    scale: Tensor
    temperature: Tensor

    def __init__(self, embedding_size: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding_size, num_classes)
        self.register_buffer("mean", torch.zeros(embedding_size))
        self.register_buffer("scale", torch.ones(embedding_size))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, embeddings: Tensor) -> Tensor:
        """float32[B, E] to logits float32[B, C], before the temperature."""
        logits: Tensor = self.linear(self.standardise(embeddings))
        return logits

    def standardise(self, embeddings: Tensor) -> Tensor:
        """float32[B, E] to float32[B, E] of zero mean and unit variance on the clips that it was fitted to."""
        return (embeddings - self.mean) / self.scale

    @torch.no_grad()
    def fit_standardisation(self, embeddings: Tensor) -> None:
        """Take mean and spread from training embeddings float32[N, E]; a feature that never varies is only centred.

        Raises:
            ConfigError: no embedding, or one that is not finite.
        """
        if embeddings.shape[0] == 0 or not bool(torch.isfinite(embeddings).all()):
            raise ConfigError("standardisation needs at least one embedding, and finite ones")
        scale = embeddings.std(dim=0, correction=0)
        self.mean.copy_(embeddings.mean(dim=0))
        self.scale.copy_(torch.where(scale > _SMALLEST_SCALE, scale, torch.ones_like(scale)))

    @torch.no_grad()
    def set_temperature(self, temperature: float) -> None:
        """Divide logits by `temperature` when posteriors are taken; above 1 makes them less sure.

        Raises:
            ConfigError: not a positive finite number.
        """
        if not 0.0 < temperature < float("inf"):
            raise ConfigError(f"temperature {temperature}: use a positive number")
        self.temperature.fill_(temperature)
