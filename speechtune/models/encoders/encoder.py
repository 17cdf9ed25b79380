"""What every encoder is to the rest of the library: a stack of layers from waveforms to frames of 20 ms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from speechtune.errors import ConfigError


class SpeechEncoder(nn.Module, ABC):
    """A pretrained encoder with its features inside.

    Attributes:
        family: one of `families.FAMILIES`.
        name: as it was asked for: short name, folder or hub id.
        num_layers: L, the number of transformer layers.
        hidden_size: D, the width of a frame.
        hears_log_mel: its features are log-mel spectrograms; else waveforms.
        has_state: it can also give one vector for a whole window, see `state`.
    """

    family: str
    name: str
    num_layers: int
    hidden_size: int
    hears_log_mel = False
    has_state = False

    def forward(self, waveforms: Tensor, num_layers: int | None = None) -> tuple[Tensor, ...]:
        """Frames of the first `num_layers` layers (none: all).

        Args:
            waveforms: float32[B, N] at 16 kHz, range -1 to 1; every row is heard whole, nothing counts as padding.
            num_layers: 1 to L; the layers above it do not run.

        Returns:
            One float32[B, T, D] per layer, first layer first. Layer L is taken after the final norm.

        Raises:
            UnsupportedAudioError: N is too short or too long for the family.
        """
        self.num_frames(waveforms.shape[-1])
        return self.encode(self.extract(waveforms), num_layers)

    @abstractmethod
    def extract(self, waveforms: Tensor) -> Tensor:
        """The features of waveforms float32[B, N]: a log-mel spectrogram float32[B, M, N / 160], or waveforms."""

    @abstractmethod
    def encode(self, features: Tensor, num_layers: int | None = None) -> tuple[Tensor, ...]:
        """Frames of features, as `forward` gives them for waveforms."""

    def state(self, last_frames: Tensor) -> Tensor:  # noqa: ARG002
        """One vector per window, float32[B, D], of layer L's frames float32[B, T, D].

        Raises:
            ConfigError: this encoder has none.
        """
        raise ConfigError(f"encoder.decoder: encoder {self.name!r} has no decoder; set it to false")

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """T for windows of `num_samples`.

        Raises:
            UnsupportedAudioError: too short or too long for the family.
        """

    @abstractmethod
    def config_dict(self) -> dict[str, Any]:
        """Plain JSON from which `build_encoder` builds the same encoder, without its weights."""

    def resolve_layers(self, layers: tuple[int, ...]) -> tuple[int, ...]:
        """Layer numbers 1 to L; negative ones count from the end, -1 is layer L.

        Raises:
            ConfigError: no layer at all, one that the encoder does not have, or one named twice.
        """
        resolved = tuple(layer + self.num_layers + 1 if layer < 0 else layer for layer in layers)
        wrong = [layer for layer, number in zip(layers, resolved, strict=True) if not 1 <= number <= self.num_layers]
        if wrong or not layers:
            named = ", ".join(str(layer) for layer in wrong) or "none"
            raise ConfigError(
                f"encoder.layers: {named}: encoder {self.name!r} has layers 1 to {self.num_layers} (or -1, the last, "
                f"to -{self.num_layers})"
            )
        if len(set(resolved)) != len(resolved):
            raise ConfigError(f"encoder.layers: {layers} names a layer twice")
        return resolved
