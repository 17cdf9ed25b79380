"""When to stop tuning: detections at a fixed false-acceptance rate on clips held out from it, and the best weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speechtune.audio.placement import place_by_energy
from speechtune.errors import ConfigError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.confusion import closed_set_accuracy
from speechtune.evaluation.figures.detection import detection_at_far
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import TuneSettings
from speechtune.training.material.training_set import TrainingSet

FALSE_ACCEPT_RATE = 0.05
CLIPS_TO_HOLD_OUT_FROM = 500
"""Keyword clips from which on a fifth can be spared to tell when to stop."""
_BATCH = 32


def share_to_hold_out(settings: TuneSettings, read: TrainingSet) -> float:
    """Which share of the speakers and negative words judges when to stop; 0: none."""
    if settings.hold_out is not None:
        return settings.hold_out
    num_keyword_clips = sum(clip.label in read.labels.keywords for clip in read.clips)
    return 0.2 if num_keyword_clips >= CLIPS_TO_HOLD_OUT_FROM else 0.0


def hold_out(read: TrainingSet, share: float, seed: int) -> NDArray[np.bool_]:
    """Which clips are kept from tuning: those of `share` of the speakers and, of negatives, of `share` of the words.

    A clip without speaker is its own speaker. The choice is a hash of the name and the seed. Of those that are kept
    the ones that may do (`data.choice.eligibility`) judge.

    Raises:
        ConfigError: no keyword clip that may judge, or every clip of a keyword, would be held out.
    """
    clips, labels = read.clips, read.labels
    held = np.zeros(len(clips), dtype=bool)
    for index, clip in enumerate(clips):
        name = clip.label if clip.label in labels.negatives else clip.speaker or f"{clip.path.as_posix()}{clip.stretch}"
        held[index] = _uniform(f"{seed}/{name}") < share
    kept = {clip.label for clip, out in zip(clips, held, strict=True) if not out}
    judges = {clip.label for clip, out in zip(clips, held & read.judging.mask, strict=True) if out}
    if not judges & set(labels.keywords) or set(labels.keywords) - kept:
        raise ConfigError(f"tune.hold_out: {share:g} of the speakers leave keywords without clips; set it to 0")
    return held


class Validation:
    """Scores a classifier on clips that were held out, as they were recorded."""

    def __init__(self, read: TrainingSet, window_samples: int) -> None:
        self._labels = read.labels
        self._words = tuple(clip.label for clip in read.clips)
        windows = np.stack([place_by_energy(clip, window_samples) for clip in read.samples])
        self._windows = torch.from_numpy(windows)

    @torch.no_grad()
    def __call__(self, classifier: KeywordClassifier) -> float:
        """Detection rate at 5 % false acceptance; where too few negatives measure it, closed-set accuracy."""
        device = classifier.device
        scored = [classifier.posteriors(batch.to(device)).cpu() for batch in torch.split(self._windows, _BATCH)]
        posteriors = torch.nan_to_num(torch.cat(scored), nan=0.0).clamp(0.0, 1.0).numpy()
        names = tuple(str(index) for index in range(len(self._words)))
        predictions = Predictions(self._labels, posteriors, self._words, names)
        rate = detection_at_far(predictions, FALSE_ACCEPT_RATE).rate
        score = closed_set_accuracy(predictions) if rate is None else rate
        assert score is not None  # `hold_out` sees to it that there are keyword clips
        return score


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


def _uniform(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode(errors="backslashreplace")).digest()[:6], "big") / 2**48
