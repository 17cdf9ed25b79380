"""What cross-fitted heads do on talk: negative words strung together, heard through the session that will serve.

Each head hears only words that were held out from it. Nothing but recorded clips is played: synthetic ones judge
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms, seconds_from_samples
from speechtune.data.variation.running_speech import faded, spoken_part
from speechtune.evaluation.figures.operating_point import DEFAULT_THRESHOLD
from speechtune.evaluation.streams.talk_curve import LEVELS, TalkCurve, as_thresholds
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

_MOST_SECONDS = 60.0
"""Of talk for each fold: enough for a rate, and a few seconds of work."""
_WORDS_OF_SENTENCE = (3, 9)
_PAUSE_MS = (300, 700)
_GAP_MS = (0, 120)
_BATCH = 16


@dataclass(frozen=True)
class Talk:
    """Talk of one kind.

    Attributes:
        clips: of each fold, the clips to string together, each float32[any] at 16 kHz.
        excess, num_words: see `TalkCurve`.
    """

    clips: Sequence[Sequence[NDArray[np.float32]]]
    excess: float
    num_words: int | None


@dataclass(frozen=True)
class HeardTalk:
    """The steps of the sessions of all folds.

    Attributes:
        talk: what was heard.
        steps: of each session, in order.
        num_samples: how long it was, at 16 kHz.
        labels: of the model.
        recipe: its settings, of which the detector's decide.
    """

    talk: Talk
    steps: tuple[tuple[Step, ...], ...]
    num_samples: int
    labels: LabelSet
    recipe: Recipe

    @property
    def minutes(self) -> float:
        """Talk heard."""
        return seconds_from_samples(self.num_samples) / 60.0

    def curve(self, shifts: NDArray[np.float64]) -> TalkCurve:
        """False accepts with every keyword's threshold at each of `LEVELS` and its shift float64[K], in logits."""
        counts = tuple(self._num_false_accepts(shifts, level) for level in LEVELS)
        return TalkCurve(self.minutes / 60.0, counts, self.talk.excess, self.talk.num_words)

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


def hear_talk(
    classifier: KeywordClassifier, heads: Sequence[KeywordHead], talk: Talk, recipe: Recipe
) -> HeardTalk | None:
    """Play to each head the clips that were held out from it, strung together; None where there are none.

    Args:
        classifier: its encoder is run, where its weights are.
        heads: one of each fold, with the temperature that the model will have.
        talk: the clips of each fold.
        recipe: seed, detector and endpointing. Windows are looked at once, as clips are in cross-fitting.
    """
    played = [
        (head, _strung(clips, recipe.seed + fold))
        for fold, (head, clips) in enumerate(zip(heads, talk.clips, strict=True))
        if clips
    ]
    if not played:
        return None
    activity = SileroActivity()
    steps = map_on_cores(lambda pair: _steps(classifier, *pair, recipe, activity), played)
    num_samples = sum(len(strung) for _, strung in played)
    return HeardTalk(talk, tuple(steps), num_samples, classifier.labels, recipe)


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


def _strung(clips: Sequence[NDArray[np.float32]], seed: int) -> NDArray[np.float32]:
    """Sentences of the clips' spoken parts, each once, float32[N] at 16 kHz."""
    rng = np.random.default_rng(seed)
    parts: list[NDArray[np.float32]] = []
    total = left = 0
    for index in rng.permutation(len(clips)).tolist():
        if total >= _MOST_SECONDS * SAMPLE_RATE_HZ:
            break
        pause = _PAUSE_MS if left == 0 else _GAP_MS
        left = int(rng.integers(*_WORDS_OF_SENTENCE)) if left == 0 else left - 1
        silence = np.zeros(samples_from_ms(int(rng.integers(*pause))), dtype=np.float32)
        parts += [silence, faded(spoken_part(clips[index]))]
        total += len(silence) + len(parts[-1])
    return np.concatenate(parts)


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
