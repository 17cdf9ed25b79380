"""When to stop tuning: how many keywords are detected at a fixed false-acceptance rate, on clips held out from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from speechtune.audio.placement import place_by_energy
from speechtune.data.choice.eligibility import eligible_clips
from speechtune.data.sets.clips import Clip
from speechtune.errors import ConfigError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.confusion import closed_set_accuracy
from speechtune.evaluation.figures.detection import detection_at_far
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier

FALSE_ACCEPT_RATE = 0.05
_BATCH = 32


def hold_out(clips: Sequence[Clip], labels: LabelSet, share: float, seed: int) -> NDArray[np.bool_]:
    """Which clips are kept from tuning: those of `share` of the speakers and, of negatives, of `share` of the words.

    A clip without speaker is its own speaker. The choice is a hash of the name and the seed. Of those that are kept
    the ones that may do (`data.choice.eligibility`) judge.

    Raises:
        ConfigError: no keyword clip that may judge, or every clip of a keyword, would be held out.
    """
    held = np.zeros(len(clips), dtype=bool)
    for index, clip in enumerate(clips):
        name = clip.label if clip.label in labels.negatives else clip.speaker or f"{clip.path.as_posix()}{clip.stretch}"
        held[index] = _uniform(f"{seed}/{name}") < share
    kept = {clip.label for clip, out in zip(clips, held, strict=True) if not out}
    judges = {clip.label for clip, out in zip(clips, held & eligible_clips(clips, labels).mask, strict=True) if out}
    if not judges & set(labels.keywords) or set(labels.keywords) - kept:
        raise ConfigError(f"tune.hold_out: {share:g} of the speakers leave keywords without clips; set it to 0")
    return held


class Validation:
    """Scores a classifier on clips that were held out, as they were recorded."""

    def __init__(
        self, clips: Sequence[Clip], samples: Sequence[NDArray[np.float32]], labels: LabelSet, window_samples: int
    ) -> None:
        self._labels = labels
        self._words = tuple(clip.label for clip in clips)
        windows = np.stack([place_by_energy(clip, window_samples) for clip in samples])
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


def _uniform(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode(errors="backslashreplace")).digest()[:6], "big") / 2**48
