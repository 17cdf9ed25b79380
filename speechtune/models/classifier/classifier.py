"""The whole model, waveform to posteriors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from speechtune.errors import ConfigError
from speechtune.labels import LabelSet
from speechtune.models.classifier.head import KeywordHead
from speechtune.models.classifier.pooling import SegmentStatsPooling
from speechtune.models.encoders.encoder import SpeechEncoder


class KeywordClassifier(nn.Module):
    """Encoder, pooling and head, with the labels inside.

    Attributes:
        layers: numbers (1 to L, as asked for) of the encoder's layers that are pooled, each a block of the embedding.
        uses_decoder: the last block is the encoder's own `state` of the window.
        labels: what the classes and the posteriors mean.
        window_samples: length of the windows it is for.
    """

    label_of_class: Tensor

    def __init__(
        self,
        encoder: SpeechEncoder,
        labels: LabelSet,
        window_samples: int,
        *,
        layers: tuple[int, ...] = (-1,),
        num_segments: int = 1,
        uses_decoder: bool = False,
        decoder_weight: float = 1.0,
    ) -> None:
        """Put the parts together, with an untrained head of the right size.

        Args:
            encoder: gives the frames.
            labels: the classes.
            window_samples: length of the windows.
            layers: which layers are pooled; negative numbers count from the last.
            num_segments: see `SegmentStatsPooling`.
            uses_decoder: add the encoder's state as a block.
            decoder_weight: how much that block counts against one of a layer.

        Raises:
            ConfigError: a layer or a decoder that the encoder does not have, or more segments than frames.
            UnsupportedAudioError: a window that the encoder cannot take.
        """
        super().__init__()
        self.layers = encoder.resolve_layers(layers)
        if uses_decoder and not encoder.has_state:
            raise ConfigError(f"encoder.decoder: encoder {encoder.name!r} has no decoder; set it to false")
        self.uses_decoder = uses_decoder
        self.labels = labels
        self.window_samples = window_samples
        self.encoder = encoder
        self.pooling = SegmentStatsPooling(num_segments)
        num_frames = encoder.num_frames(window_samples)
        if num_frames < num_segments:
            raise ConfigError(f"encoder.num_segments: {num_segments} is more than the window's {num_frames} frames")
        sizes = [encoder.hidden_size * self.pooling.num_statistics] * len(self.layers)
        weights = [1.0] * len(self.layers)
        if uses_decoder:
            sizes.append(encoder.hidden_size)
            weights.append(decoder_weight)
        self.embedding_size = sum(sizes)
        self.head = KeywordHead(sizes, len(labels.classes), weights)
        # Built on the CPU even where the weights are left empty; follows from the labels, so it is never saved.
        label_of_class = torch.zeros(len(labels.classes), len(labels.labels), device="cpu")
        for index, label in enumerate(labels.label_of_class.tolist()):
            label_of_class[index, label] = 1.0
        self.register_buffer("label_of_class", label_of_class, persistent=False)

    def embed(self, waveforms: Tensor) -> Tensor:
        """float32[B, N] at 16 kHz to embeddings float32[B, E]; layers above the highest one needed do not run."""
        return self.embed_features(self.encoder.extract(waveforms))

    def embed_features(self, features: Tensor) -> Tensor:
        """The encoder's features of B windows to embeddings float32[B, E]."""
        return self._pooled(self._frames(features))

    def layer_outputs(self, waveforms: Tensor) -> dict[str, Tensor]:
        """What every layer that a port has to get right gives for float32[B, N], in the order of the computation.

        Returns:
            The features of the encoder (`log_mel` or `normalised`, where it does not hear the waveforms themselves),
            `frames_L` of every pooled layer L, `embedding`, `logits` and `posteriors`.
        """
        features = self.encoder.extract(waveforms)
        frames = self._frames(features)
        embedding = self._pooled(frames)
        logits = self.head(embedding)
        name = "log_mel" if self.encoder.hears_log_mel else "normalised"
        return {
            **({} if features is waveforms else {name: features}),
            **{f"frames_{layer}": frames[layer - 1] for layer in self.layers},
            "embedding": embedding,
            "logits": logits,
            "posteriors": self.posteriors_from_logits(logits),
        }

    @property
    def blocks(self) -> dict[str, int]:
        """The parts of an embedding in their order, and their sizes: `layer L` each, and `decoder` where it is used."""
        names = [*(f"layer {layer}" for layer in self.layers), *(["decoder"] if self.uses_decoder else [])]
        return dict(zip(names, self.head.block_sizes, strict=True))

    def _frames(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.encoder.encode(features, None if self.uses_decoder else max(self.layers))

    def _pooled(self, frames: tuple[Tensor, ...]) -> Tensor:
        blocks = [self.pooling(frames[layer - 1]) for layer in self.layers]
        if self.uses_decoder:
            blocks.append(self.encoder.state(frames[-1]))
        return torch.cat(blocks, dim=1)

    def forward(self, waveforms: Tensor) -> Tensor:
        """float32[B, N] at 16 kHz to logits float32[B, C], one per class, before the temperature."""
        logits: Tensor = self.head(self.embed(waveforms))
        return logits

    def posteriors(self, waveforms: Tensor) -> Tensor:
        """float32[B, N] at 16 kHz to calibrated posteriors float32[B, K], one per label; rows sum to 1."""
        return self.posteriors_from_logits(self.forward(waveforms))

    def posteriors_from_logits(self, logits: Tensor) -> Tensor:
        """Logits float32[B, C] to posteriors float32[B, K]: softmax at the temperature, negatives summed."""
        return torch.softmax(logits / self.head.temperature, dim=1) @ self.label_of_class

    def relabelled(self, labels: LabelSet) -> KeywordClassifier:
        """The same classifier, on the same encoder, with the same classes in the order of `labels`."""
        changed = KeywordClassifier(
            self.encoder,
            labels,
            self.window_samples,
            layers=self.layers,
            num_segments=self.pooling.num_segments,
            uses_decoder=self.uses_decoder,
        )
        changed.head = self.head.with_classes([self.labels.classes.index(name) for name in labels.classes])
        return changed.eval()

    @contextmanager
    def on(self, device: torch.device) -> Iterator[None]:
        """While it lasts the weights are on `device`; then they are on the CPU, where heads are trained."""
        self.to(device)
        try:
            yield
        finally:
            self.to("cpu")

    @property
    def num_used_layers(self) -> int:
        """How many of the encoder's layers, from the first, have a say in the embedding."""
        return self.encoder.num_layers if self.uses_decoder else max(self.layers)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.mean.device
