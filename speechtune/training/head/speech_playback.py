"""What cross-fitted heads do on talk, heard through the session that will serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from speechtune.evaluation.figures.operating_point import DEFAULT_THRESHOLD
from speechtune.evaluation.streams.talk_curve import EXCESS_OF_HELD_OUT_WORDS, LEVELS, TalkCurve, as_thresholds
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.classifier.head import KeywordHead
from speechtune.models.parallel import map_on_cores
from speechtune.models.precision import half_precision
from speechtune.recipe import Recipe
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune.streaming.decision import Step, decided
from speechtune.streaming.driver import SAMPLES_FORMAT, chunks_of, run_session
from speechtune.streaming.events import Detection
from speechtune.streaming.session import Session
from speechtune.streaming.voice.activity import SileroActivity
from speechtune.training.material.held_out_talk import Talk

_BATCH = 16


@dataclass(frozen=True)
class HeardTalk:
    """The steps of the sessions of all folds.

    Attributes:
        talk: what was heard.
        steps: of each session, in order.
        labels: of the model.
        recipe: its settings, of which the detector's decide.
    """

    talk: Talk
    steps: tuple[tuple[Step, ...], ...]
    labels: LabelSet
    recipe: Recipe

    def curve(self, shifts: NDArray[np.float64]) -> TalkCurve:
        """False accepts with every keyword's threshold at each of `LEVELS` and its shift float64[K], in logits."""
        counts = tuple(self._num_false_accepts(shifts, level) for level in LEVELS)
        excess = 1.0 if self.talk.num_words is None else EXCESS_OF_HELD_OUT_WORDS
        return TalkCurve(self.talk.minutes / 60.0, counts, excess, self.talk.num_words)

    def _num_false_accepts(self, shifts: NDArray[np.float64], level: float) -> int:
        keywords, detector = self.labels.keywords, self.recipe.detector
        thresholds = as_thresholds(keywords, shifts, level)
        commands = tuple(CommandRule(keyword, threshold) for keyword, threshold in thresholds.items())
        rules = SessionConfig(SAMPLES_FORMAT, commands, detector).effective_rules(self.labels, thresholds)
        return sum(
            isinstance(event, Detection)
            for steps in self.steps
            for event in decided(steps, self.labels, rules, detector)
        )


def hear_talk(classifier: KeywordClassifier, heads: Sequence[KeywordHead], talk: Talk, recipe: Recipe) -> HeardTalk:
    """Play to each head the talk that was held out from it.

    Args:
        classifier: its encoder is run, where its weights are.
        heads: one of each fold, with the temperature that the model will have.
        talk: some of it for one of these heads at least.
        recipe: detector and endpointing. Windows are looked at once, as clips are in cross-fitting.
    """
    activity = SileroActivity()
    played = [(head, own) for head, own in zip(heads, talk.of_folds, strict=False) if own is not None]
    steps = map_on_cores(lambda pair: _steps(classifier, *pair, recipe, activity), played)
    return HeardTalk(talk, tuple(steps), classifier.labels, recipe)


def _steps(
    classifier: KeywordClassifier,
    head: KeywordHead,
    talk: NDArray[np.float32],
    recipe: Recipe,
    activity: SileroActivity,
) -> tuple[Step, ...]:
    journal: list[Step] = []
    scorer = _FoldScorer(classifier, head)
    config = SessionConfig(SAMPLES_FORMAT, detector=recipe.detector, endpointing=recipe.endpointing)
    session = Session(config, scorer.labels, scorer.thresholds, scorer.window_samples, journal=journal)
    for _ in run_session(session, scorer, activity, chunks_of(talk)):
        pass
    return tuple(journal)


class _FoldScorer:
    """The `streaming.config.Scorer` of the classifier's encoder and a head of its own."""

    def __init__(self, classifier: KeywordClassifier, head: KeywordHead) -> None:
        self._classifier, self._head = classifier, head
        self.labels = classifier.labels
        self.thresholds = dict.fromkeys(classifier.labels.keywords, DEFAULT_THRESHOLD)
        self.window_samples = classifier.window_samples

    @torch.inference_mode()
    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[B, window_samples] to posteriors float32[B, K]."""
        classifier, scored = self._classifier, []
        for batch in torch.split(torch.from_numpy(np.ascontiguousarray(windows)), _BATCH):
            with half_precision(classifier.device):
                embeddings = classifier.embed(batch.to(classifier.device)).float().cpu()
            logits = self._head(embeddings) / self._head.temperature
            scored.append(torch.softmax(logits, dim=1) @ classifier.label_of_class.cpu())
        posteriors: NDArray[np.float32] = torch.cat(scored).numpy()
        return posteriors
