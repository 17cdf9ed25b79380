"""The scorer that streams and the evaluator ask, by torch on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.errors import ConfigError, UnsupportedAudioError
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.parallel import map_on_cores, one_core
from speechtune.models.precision import halve_weights, has_bfloat16

Precision = Literal["fp32", "bf16"]

_CORE_BATCH = 16  # larger ones gain no speed on a core and cost memory
_WORTH_A_CORE = 4  # fewer windows take longer in two calls than in one
_GPU_BATCH = 256


class TorchScorer:
    """The `streaming.config.Scorer` of a classifier: numpy in, numpy out, no gradient, no state of any stream.

    The classifier is put in evaluation mode whenever it is asked. One thread at a time may call `score`.
    """

    def __init__(
        self, classifier: KeywordClassifier, thresholds: Mapping[str, float], precision: Precision = "fp32"
    ) -> None:
        """Score with `classifier`, where its weights are; `thresholds` holds one number per keyword.

        Args:
            classifier: the model; `bf16` halves the weights of its encoder for good.
            thresholds: one number per keyword.
            precision: of the encoder's products. `bf16` takes half the time in batches and moves a posterior in its
                second decimal; the head's stay whole.

        Raises:
            ConfigError: a keyword without a threshold, a threshold without a keyword, or `bf16` where the machine has
                no instructions for it.
        """
        if set(thresholds) != set(classifier.labels.keywords):
            odd = sorted(set(thresholds) ^ set(classifier.labels.keywords))
            raise ConfigError(f"thresholds and keywords differ: {', '.join(odd)}")
        self._classifier = classifier
        self._thresholds = dict(thresholds)
        self._posteriors: Callable[[Tensor], Tensor] = classifier.posteriors
        if precision == "bf16":
            if not has_bfloat16(classifier.device):
                raise ConfigError(f"precision bf16: this {classifier.device.type} has no instructions for it; use fp32")
            halve_weights(classifier.encoder)
            self._posteriors = partial(halved_posteriors, classifier)

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
        on_cores = self._classifier.device.type == "cpu"
        if not len(windows):
            return np.empty((0, len(self.labels.labels)), dtype=np.float32)
        num_batches = _num_core_batches(len(windows)) if on_cores else -(-len(windows) // _GPU_BATCH)
        size = -(-len(windows) // num_batches)
        batches = [windows[start : start + size] for start in range(0, len(windows), size)]
        if len(batches) > 1:
            return np.concatenate(list((map_on_cores if on_cores else map)(self._score_batch, batches)))
        with one_core():
            return self._score_batch(windows)

    @torch.inference_mode()
    def _score_batch(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        # A copy: torch wants writable memory, and the caller's may be a view of something shared.
        batch = torch.tensor(windows, dtype=torch.float32, device=self._classifier.device)
        posteriors: NDArray[np.float32] = self._posteriors(batch).cpu().numpy()
        return posteriors


def _num_core_batches(num_windows: int) -> int:
    """As many for every core, so that none waits for another's last one; a few windows are not worth a second core."""
    num_cores = torch.get_num_threads()
    needed = -(-num_windows // _CORE_BATCH)
    if num_windows < num_cores * _WORTH_A_CORE:
        return needed
    return -(-needed // num_cores) * num_cores


def halved_posteriors(classifier: KeywordClassifier, waveforms: Tensor) -> Tensor:
    """`KeywordClassifier.posteriors`, the encoder's products in bfloat16 whether or not there are instructions for it.

    Quick where `halve_weights` was done to the encoder.
    """
    with torch.autocast(waveforms.device.type, torch.bfloat16):
        embeddings = classifier.embed(waveforms).float()
    return classifier.posteriors_from_logits(classifier.head(embeddings))
