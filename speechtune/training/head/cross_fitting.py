"""Calibration where there is no clip to spare: every row is scored by a head that was not trained on it."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.calibration import fit_temperature
from speechtune.models.classifier.head import KeywordHead
from speechtune.models.classifier.labelled_rows import pieces_of
from speechtune.models.parallel import map_on_cores
from speechtune.training.head.fitting import HeadTrainer
from speechtune.training.material.dealt_folds import DealtFolds
from speechtune.training.material.embedding_cache import EmbeddedClips
from speechtune.training.stages import Progress


@dataclass(frozen=True)
class OutOfFold:
    """What heads answered on clips that they were not trained on.

    Attributes:
        predictions: calibrated posteriors of every clip that may judge, itself and not its varied copies.
        answers: int64[N], the class that each of these clips was taken for: a word where `predictions` say `_unknown_`.
        temperature: what the logits were divided by; fitted on the copies too.
        notes: what a reader must know of these numbers, one sentence each.
        heads: of every fold, at that temperature.
        added: float64[A, K], posteriors of the keywords in the windows that were added to the clips, held out.
    """

    predictions: Predictions
    answers: NDArray[np.int64]
    temperature: float
    notes: tuple[str, ...]
    heads: tuple[KeywordHead, ...] = ()
    added: NDArray[np.float64] | None = None


def cross_fit(
    template: KeywordHead, embedded: EmbeddedClips, dealt: DealtFolds, trainer: HeadTrainer, progress: Progress
) -> OutOfFold:
    """Train a head without each fold in turn, and score that fold.

    Args:
        template: a head of the right shape; it stays as it is.
        embedded: rows of the clips in their order, then the windows of silence, and of those that are added.
        dealt: the folds of the clips.
        trainer: trains the heads.
        progress: told of every fold.
    """
    clips, labels, targets = embedded.read.clips, embedded.read.labels, embedded.targets.numpy()
    judges = dealt.judging_rows(embedded.clips) & ~embedded.is_added
    fold_of_row = dealt.of_rows(embedded.clips)
    notes = dealt.notes + _split_lone_keywords(fold_of_row, embedded, dealt.num_folds)
    num_folds = int(fold_of_row.max()) + 1
    logits = torch.zeros(len(targets), len(labels.classes))
    was_trained = np.zeros(len(targets), dtype=bool)

    def answers(held_out: Tensor) -> tuple[KeywordHead, Tensor]:
        head = copy.deepcopy(template)
        trainer.train(head, embedded, torch.nonzero(~held_out)[:, 0])
        with torch.no_grad():
            scored = [head(piece) for piece in pieces_of(embedded.embeddings, torch.nonzero(held_out)[:, 0])]
        return head, torch.cat(scored)

    progress("cross-fit", 0, num_folds)
    masks = [torch.from_numpy(fold_of_row == fold) for fold in range(num_folds)]
    heads = []
    for fold, (head, scored) in enumerate(map_on_cores(answers, masks)):
        heads.append(head)
        logits[masks[fold]] = scored
        trained = np.isin(targets, np.unique(embedded.targets[~masks[fold]].numpy()))
        was_trained |= trained & judges & masks[fold].numpy()
        progress("cross-fit", fold + 1, num_folds)
    # A held-out negative word has no class of its own in its fold: its target cannot be hit and says nothing here.
    temperature = fit_temperature(logits.numpy()[was_trained], targets[was_trained])
    for head in heads:
        head.set_temperature(temperature)
    posteriors = torch.softmax(logits / temperature, dim=1).numpy() @ np.eye(len(labels.labels))[labels.label_of_class]
    recorded = embedded.is_original & judges & (embedded.clips < len(clips))
    predictions = Predictions(
        labels=labels,
        posteriors=np.clip(posteriors[recorded], 0.0, 1.0).astype(np.float32),
        words=tuple(labels.classes[target] for target in targets[recorded]),
        clip_ids=tuple(str(clip) for clip in embedded.clips[recorded]),
        speakers=tuple(clips[clip].speaker for clip in embedded.clips[recorded]),
    )
    return OutOfFold(
        predictions,
        logits.numpy()[recorded].argmax(axis=1),
        temperature,
        notes,
        heads=tuple(heads),
        added=np.clip(posteriors[embedded.is_added, : len(labels.keywords)], 0.0, 1.0),
    )


def _split_lone_keywords(fold_of_row: NDArray[np.int64], embedded: EmbeddedClips, num_folds: int) -> tuple[str, ...]:
    """Deal the rows of a keyword that lies in one fold only, in place: else a head would never have heard it."""
    targets = embedded.targets.numpy()
    lone = []
    for index, keyword in enumerate(embedded.read.labels.keywords):
        rows = np.flatnonzero(targets == index)
        if len(np.unique(fold_of_row[rows])) < 2:
            fold_of_row[rows] = np.arange(len(rows)) % num_folds
            lone.append(keyword)
    if not lone:
        return ()
    return (
        f"{', '.join(lone)}: one clip or one speaker; their thresholds are chosen on varied copies of clips that the "
        "head has heard, and flatter it; record more",
    )
