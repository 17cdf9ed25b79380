"""The whole model, waveform to posteriors, and the scorer that streams and the evaluator ask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speechtune.errors import ConfigError, UnsupportedAudioError
from speechtune.labels import LabelSet
from speechtune.models.encoder import SpeechEncoder
from speechtune.models.head import KeywordHead
from speechtune.models.pooling import SegmentStatsPooling

_LARGEST_BATCH = 64  # larger ones gain no speed and cost memory


class KeywordClassifier(nn.Module):
    """Encoder, pooling and head, with the labels inside.

    Attributes:
        layers: numbers (1 to L, as asked for) of the encoder's layers that are pooled; their embeddings are joined.
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
        head: KeywordHead | None = None,
    ) -> None:
        """Put the parts together; without a `head`, an untrained one of the right size is made.

        Raises:
            ConfigError: a layer that the encoder does not have, more segments than frames, or a head of another size.
            UnsupportedAudioError: a window that the encoder cannot take.
        """
        super().__init__()
        self.layers = encoder.resolve_layers(layers)
        self.labels = labels
        self.window_samples = window_samples
        self.encoder = encoder
        self.pooling = SegmentStatsPooling(num_segments)
        num_frames = encoder.num_frames(window_samples)
        if num_frames < num_segments:
            raise ConfigError(f"encoder.num_segments: {num_segments} is more than the window's {num_frames} frames")
        self.embedding_size = encoder.hidden_size * self.pooling.num_statistics * len(self.layers)
        self.head = head if head is not None else KeywordHead(self.embedding_size, len(labels.classes))
        if self.head.linear.weight.shape != (len(labels.classes), self.embedding_size):
            num_classes, embedding_size = self.head.linear.weight.shape
            raise ConfigError(
                f"the head takes {embedding_size} values to {num_classes} classes; "
                f"this model needs {self.embedding_size} to {len(labels.classes)}"
            )
        # Built on the CPU even where the weights are left empty; follows from the labels, so it is never saved.
        label_of_class = torch.zeros(len(labels.classes), len(labels.labels), device="cpu")
        for index, label in enumerate(labels.label_of_class.tolist()):
            label_of_class[index, label] = 1.0
        self.register_buffer("label_of_class", label_of_class, persistent=False)

    def embed(self, waveforms: Tensor) -> Tensor:
        """float32[B, N] at 16 kHz to embeddings float32[B, E]; layers above the highest one needed do not run."""
        frames = self.encoder(waveforms, num_layers=max(self.layers))
        return torch.cat([self.pooling(frames[layer - 1]) for layer in self.layers], dim=1)

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

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.mean.device


class TorchScorer:
    """The `streaming.config.Scorer` of a classifier: numpy in, numpy out, no gradient, no state of any stream.

    The classifier is put in evaluation mode whenever it is asked. One thread at a time may call `score`.
    """

    def __init__(self, classifier: KeywordClassifier, thresholds: Mapping[str, float]) -> None:
        """Score with `classifier`; `thresholds` holds one number per keyword.

        Raises:
            ConfigError: a keyword without a threshold, or a threshold without a keyword.
        """
        if set(thresholds) != set(classifier.labels.keywords):
            odd = sorted(set(thresholds) ^ set(classifier.labels.keywords))
            raise ConfigError(f"thresholds and keywords differ: {', '.join(odd)}")
        self._classifier = classifier
        self._thresholds = dict(thresholds)

    @property
    def labels(self) -> LabelSet:
        """The labels, in the order of the posteriors."""
        return self._classifier.labels

    @property
    def thresholds(self) -> dict[str, float]:
        """The calibrated threshold of every keyword."""
        return dict(self._thresholds)

    @property
    def window_samples(self) -> int:
        """Length of the windows it takes."""
        return self._classifier.window_samples

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[B, window_samples] to calibrated posteriors float32[B, K], each row summing to 1.

        Raises:
            UnsupportedAudioError: another shape.
        """
        if windows.ndim != 2 or windows.shape[1] != self.window_samples:
            raise UnsupportedAudioError(
                f"windows of shape {windows.shape}: this model takes [any, {self.window_samples}]"
            )
        if self._classifier.training:
            self._classifier.eval()
        posteriors = np.empty((len(windows), len(self.labels.labels)), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(windows), _LARGEST_BATCH):
                # A copy: torch wants writable memory, and the caller's may be a view of something shared.
                batch = torch.tensor(windows[start : start + _LARGEST_BATCH], dtype=torch.float32)
                scored = self._classifier.posteriors(batch.to(self._classifier.device))
                posteriors[start : start + len(batch)] = scored.cpu().numpy()
        return posteriors
