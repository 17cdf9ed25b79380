"""What all stages of one training run share."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch

from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import Recipe
from speechtune.training.head.cross_fitting import OutOfFold, cross_fit
from speechtune.training.head.fitting import HeadTrainer
from speechtune.training.material.dealt_folds import DealtFolds, deal
from speechtune.training.material.embedding_cache import EmbeddedClips, embed_clips
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.stages import Progress, tell_loss


@dataclass(frozen=True)
class TrainingRun:
    """One run.

    Attributes:
        classifier: what is trained; on the CPU, but while its encoder runs.
        device: where its encoder runs.
        recipe: every setting.
        trainer: trains its head, and those that are held against clips.
        progress: told of every stage.
    """

    classifier: KeywordClassifier
    device: torch.device
    recipe: Recipe
    trainer: HeadTrainer
    progress: Progress

    def embed(self, read: TrainingSet, scratch: Path | None = None) -> EmbeddedClips:
        """Embed the clips as `embed_clips` does."""
        with self.classifier.on(self.device):
            return embed_clips(self.classifier, read, self.recipe, self.progress, scratch)

    def deal(self, read: TrainingSet) -> DealtFolds:
        """Deal the clips into folds."""
        return deal(read, self.recipe.calibration.folds)

    def cross_fit(self, embedded: EmbeddedClips, dealt: DealtFolds) -> OutOfFold:
        """Score every clip by a head that was not trained on it."""
        return cross_fit(self.classifier.head, embedded, dealt, self.trainer, self.progress)

    def train_head(self, embedded: EmbeddedClips) -> None:
        """Train the classifier's own head on all clips."""
        self.progress("train head", 0, 1)
        steps = itertools.count(1)
        self.trainer.train(
            self.classifier.head,
            embedded,
            told=lambda value: tell_loss(self.progress, "train head", next(steps), value),
        )
        self.progress("train head", 1, 1)
