"""Calibration where there is no clip to spare: every row is scored by a head that was not trained on it.

Keyword clips are held out by speaker. Negative clips are held out by *word*: a word that the head never heard is what
it will meet in use, and thresholds chosen on words it knows let such words through. Synthetic clips train, and are
scored only where there are no recorded ones (`data.choice.eligibility`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.data.choice.eligibility import eligible_clips
from speechtune.data.choice.folds import folds
from speechtune.data.sets.clips import Clip
from speechtune.errors import UnsplittableError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.calibration import fit_temperature
from speechtune.labels import SILENCE, LabelSet
from speechtune.models.classifier.head import KeywordHead, pieces_of
from speechtune.models.parallel import map_on_cores
from speechtune.recipe import Recipe
from speechtune.training.head.fitting import LighterClasses, Prior, train_head
from speechtune.training.material.added_windows import folds_of_negatives
from speechtune.training.material.embedding_cache import EmbeddedClips
from speechtune.training.stages import Progress


@dataclass(frozen=True)
class OutOfFold:
    """What heads answered on clips that they were not trained on.

    Attributes:
        predictions: calibrated posteriors of every clip that may judge, itself and not its varied copies.
        temperature: what the logits were divided by; fitted on the copies too.
        notes: what a reader must know of these numbers, one sentence each.
        heads: of every fold, at that temperature.
        talk: of every fold, the recorded negative clips that its head never heard, nor their word.
        added: float64[A, K], posteriors of the keywords in the windows that were added to the clips, held out.
    """

    predictions: Predictions
    temperature: float
    notes: tuple[str, ...]
    heads: tuple[KeywordHead, ...] = ()
    talk: tuple[tuple[int, ...], ...] = ()
    added: NDArray[np.float64] | None = None


def cross_fit(
    template: KeywordHead,
    embedded: EmbeddedClips,
    clips: Sequence[Clip],
    labels: LabelSet,
    recipe: Recipe,
    progress: Progress,
    prior: Prior | None = None,
) -> OutOfFold:
    """Train `calibration.folds` heads, each without one fold, and score that fold.

    Args:
        template: a head of the right shape; it stays as it is.
        embedded: rows of `clips` in their order, then the windows of silence and of running speech.
        clips: the clips that were embedded.
        labels: their labels.
        recipe: seed, head and number of folds.
        progress: told of every fold.
        prior: what is known of the classes before.
    """
    judging = eligible_clips(clips, labels)
    judges = np.append(judging.mask, True)[np.minimum(embedded.clips, len(clips))] & ~embedded.is_added
    fold_of_negative = folds_of_negatives([clip.label for clip in clips], labels.negatives, recipe.calibration.folds)
    fold_of_row, notes = _fold_of_rows(embedded, clips, labels, fold_of_negative, recipe.calibration.folds)
    num_folds = int(fold_of_row.max()) + 1
    logits = torch.zeros(len(embedded.targets), len(labels.classes))
    was_trained = np.zeros(len(embedded.targets), dtype=bool)

    lighter = LighterClasses.among(embedded.targets, embedded.is_added, labels)

    def answers(held_out: Tensor) -> tuple[KeywordHead, Tensor]:
        head = copy.deepcopy(template)
        rows = torch.nonzero(~held_out)[:, 0]
        train_head(head, embedded.embeddings, embedded.targets, recipe.head, rows, prior, lighter)
        with torch.no_grad():
            scored = [head(piece) for piece in pieces_of(embedded.embeddings, torch.nonzero(held_out)[:, 0])]
        return head, torch.cat(scored)

    progress("cross-fit", 0, num_folds)
    masks = [torch.from_numpy(fold_of_row == fold) for fold in range(num_folds)]
    heads = []
    for fold, (head, scored) in enumerate(map_on_cores(answers, masks)):
        heads.append(head)
        logits[masks[fold]] = scored
        trained = np.isin(embedded.targets.numpy(), np.unique(embedded.targets[~masks[fold]].numpy()))
        was_trained |= trained & judges & masks[fold].numpy()
        progress("cross-fit", fold + 1, num_folds)
    # A held-out negative word has no class of its own in its fold: its target cannot be hit and says nothing here.
    temperature = fit_temperature(logits.numpy()[was_trained], embedded.targets.numpy()[was_trained])
    for head in heads:
        head.set_temperature(temperature)
    posteriors = torch.softmax(logits / temperature, dim=1).numpy() @ np.eye(len(labels.labels))[labels.label_of_class]
    recorded = embedded.is_original & judges & (embedded.clips < len(clips))
    predictions = Predictions(
        labels=labels,
        posteriors=np.clip(posteriors[recorded], 0.0, 1.0).astype(np.float32),
        words=tuple(labels.classes[target] for target in embedded.targets.numpy()[recorded]),
        clip_ids=tuple(str(clip) for clip in embedded.clips[recorded]),
        speakers=tuple(clips[clip].speaker for clip in embedded.clips[recorded]),
    )
    return OutOfFold(
        predictions,
        temperature,
        judging.notes + notes,
        heads=tuple(heads),
        talk=_talk_of_folds(embedded, fold_of_negative, recorded, num_folds) if fold_of_negative else (),
        added=np.clip(posteriors[embedded.is_added, : len(labels.keywords)], 0.0, 1.0),
    )


def _talk_of_folds(
    embedded: EmbeddedClips, fold_of_negative: dict[int, int], recorded: NDArray[np.bool_], num_folds: int
) -> tuple[tuple[int, ...], ...]:
    """Of every fold, the negative clips that it holds out and whose own row is one of `recorded` bool[N]."""
    judging = set(embedded.clips[recorded].tolist())
    talk: list[list[int]] = [[] for _ in range(num_folds)]
    for clip, fold in fold_of_negative.items():
        if clip in judging:
            talk[fold].append(clip)
    return tuple(tuple(sorted(fold)) for fold in talk)


def _fold_of_rows(
    embedded: EmbeddedClips,
    clips: Sequence[Clip],
    labels: LabelSet,
    fold_of_negative: dict[int, int],
    num_folds: int,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    keyword_clips = [index for index, clip in enumerate(clips) if clip.label in labels.keywords]
    fold_of_clip = np.arange(int(embedded.clips.max()) + 1) % num_folds  # silence windows are dealt in turn
    fold_of_clip[keyword_clips], notes = _folds_of_people([clips[index] for index in keyword_clips], num_folds)
    for clip, fold in fold_of_negative.items():
        fold_of_clip[clip] = fold
    words = {clip.label for clip in clips}.difference(labels.keywords, {SILENCE})
    if words and not fold_of_negative:
        notes += (
            f"{min(words)}: too few clips of other speech to hold any out, so that what they let through is not known; "
            "give several words, or some minutes of the place where it will listen, as negatives",
        )
    fold_of_row = fold_of_clip[embedded.clips]
    return fold_of_row, notes + _split_lone_keywords(fold_of_row, embedded, labels, num_folds)


def _folds_of_people(clips: Sequence[Clip], num_folds: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    try:
        return folds(clips, num_folds), ()
    except UnsplittableError:
        nameless = [replace(clip, speaker=None) for clip in clips]
        note = "one speaker: thresholds are chosen on other takes of the same voice, and hold for it alone"
    try:
        return folds(nameless, num_folds), (note,)
    except UnsplittableError:
        return np.zeros(len(clips), dtype=np.int64), (note,)


def _split_lone_keywords(
    fold_of_row: NDArray[np.int64], embedded: EmbeddedClips, labels: LabelSet, num_folds: int
) -> tuple[str, ...]:
    """Deal the rows of a keyword that lies in one fold only, in place: else a head would never have heard it."""
    targets = embedded.targets.numpy()
    lone = []
    for index, keyword in enumerate(labels.keywords):
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
