"""Simulated models of known quality: posteriors of clips whose speakers differ from one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.labels import SILENCE, LabelSet

LABELS = LabelSet(("yes", "no", "stop"), ("bed", "cat"))


def predictions_of(
    posteriors: Sequence[Sequence[float]] | NDArray[np.floating],
    words: Sequence[str],
    speakers: Sequence[str | None] = (),
    labels: LabelSet = LABELS,
) -> Predictions:
    """Predictions of clips called `0`, `1`, …; columns are the keywords, `_unknown_`, `_silence_`."""
    return Predictions(
        labels=labels,
        posteriors=np.asarray(posteriors, dtype=np.float32).reshape(len(words), len(labels.labels)),
        words=tuple(words),
        clip_ids=tuple(str(row) for row in range(len(words))),
        speakers=tuple(speakers),
    )


def simulate(
    rng: np.random.Generator,
    num_speakers: int = 40,
    clips_per_speaker: int = 15,
    skill: float = 3.0,
    spread: float = 1.0,
) -> Predictions:
    """Softmax posteriors of noisy logits.

    Args:
        rng: where chance comes from.
        num_speakers, clips_per_speaker: how many of each.
        skill: how far the logit of the truth lies above the others on average.
        spread: how much speakers differ in that, as a standard deviation.
    """
    labels = LABELS
    said = np.array([*labels.keywords, *labels.negatives, "ship", SILENCE])
    num = num_speakers * clips_per_speaker
    words = rng.choice(said, size=num)
    speaker_skill = np.repeat(skill + spread * rng.standard_normal(num_speakers), clips_per_speaker)
    truth = np.array([labels.labels.index(word) if word in labels.labels else labels.unknown_index for word in words])
    logits = rng.standard_normal((num, len(labels.labels)))
    logits[np.arange(num), truth] += speaker_skill
    exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
    speakers = np.repeat([f"speaker{index}" for index in range(num_speakers)], clips_per_speaker)
    posteriors = exponent / exponent.sum(axis=1, keepdims=True)
    return predictions_of(posteriors, words.tolist(), speakers.tolist(), labels)


def sure(labels: LabelSet, answer: str, score: float = 0.9) -> list[float]:
    """A row that gives `answer` the score and shares the rest among the others."""
    rest = (1.0 - score) / (len(labels.labels) - 1)
    return [score if label == answer else rest for label in labels.labels]
