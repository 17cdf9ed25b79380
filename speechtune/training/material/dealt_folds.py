"""Who judges, and in which fold each clip is held out in turn.

Keyword clips are held out by speaker. Negative clips are held out by *word*: a word that the head never heard is what
it will meet in use, and thresholds chosen on words it knows let such words through. Synthetic clips train, and are
scored only where there are no recorded ones (`data.choice.eligibility`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speechtune.data.choice.folds import folds
from speechtune.data.sets.clips import Clip
from speechtune.errors import UnsplittableError
from speechtune.labels import SILENCE, UNKNOWN
from speechtune.training.material.training_set import TrainingSet

_FEWEST_WORDS = 2
"""Negative words, of which one can be held out while another is learnt."""
_FEWEST_NAMELESS = 4
"""Pieces of speech that name no word, for each fold, from which on they can be held out in turn."""


@dataclass(frozen=True, eq=False)
class DealtFolds:
    """The folds of N clips.

    Attributes:
        num_folds: at least 2; there may be fewer that hold a clip.
        fold_of_clip: int64[N].
        judges: bool[N], the clips that may judge.
        fold_of_negative: the fold of each negative clip that is held out, by its number; empty where none can be.
        notes: what a reader must know of it, one sentence each.
    """

    num_folds: int
    fold_of_clip: NDArray[np.int64]
    judges: NDArray[np.bool_]
    fold_of_negative: dict[int, int]
    notes: tuple[str, ...]

    def of_rows(self, clips: NDArray[np.int64]) -> NDArray[np.int64]:
        """The fold of rows that come from `clips` int64[R]; what is numbered after all clips is dealt in turn."""
        beyond = np.arange(len(self.fold_of_clip), int(clips.max(initial=0)) + 1) % self.num_folds
        fold_of_row: NDArray[np.int64] = np.append(self.fold_of_clip, beyond)[clips]
        return fold_of_row

    def judging_rows(self, clips: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether rows that come from `clips` int64[R] may judge; what is numbered after all clips may."""
        judges: NDArray[np.bool_] = np.append(self.judges, True)[np.minimum(clips, len(self.judges))]
        return judges


def deal(read: TrainingSet, num_folds: int) -> DealtFolds:
    """Deal the clips of a training set into `num_folds` folds, at least 2."""
    clips, labels = read.clips, read.labels
    keyword_clips = [index for index, clip in enumerate(clips) if clip.label in labels.keywords]
    fold_of_clip = np.arange(len(clips)) % num_folds  # clips of silence are dealt in turn
    fold_of_clip[keyword_clips], notes = _folds_of_people([clips[index] for index in keyword_clips], num_folds)
    fold_of_negative = folds_of_negatives(clips, labels.negatives, num_folds)
    for clip, fold in fold_of_negative.items():
        fold_of_clip[clip] = fold
    words = {clip.label for clip in clips}.difference(labels.keywords, {SILENCE})
    if words and not fold_of_negative:
        notes += (
            f"{min(words)}: too few clips of other speech to hold any out, so that what they let through is not known; "
            "give several words, or some minutes of the place where it will listen, as negatives",
        )
    return DealtFolds(num_folds, fold_of_clip, read.judging.mask, fold_of_negative, read.judging.notes + notes)


def folds_of_negatives(clips: Sequence[Clip], negatives: Sequence[str], num_folds: int) -> dict[int, int]:
    """Which fold each negative clip is held out in, by its number; empty where nothing can be held out.

    All clips of a word lie in one fold: a word that was never heard is what a recogniser meets. Clips that name no word
    are pieces of running speech, which repeat nothing: they are dealt in turns of neighbours, so that most of what lies
    side by side in a recording stays together.

    Args:
        clips: all clips.
        negatives: the labels that are other speech, in their order.
        num_folds: at least 2.
    """
    names = [clip.label for clip in clips]
    there = set(names)
    words = [word for word in negatives if word in there]
    nameless = [index for index, name in enumerate(names) if name == UNKNOWN and UNKNOWN in negatives]
    if len(nameless) >= _FEWEST_NAMELESS * num_folds:
        words.remove(UNKNOWN)
    else:
        nameless = []
    fold_of_word = {word: index % num_folds for index, word in enumerate(words)} if len(words) >= _FEWEST_WORDS else {}
    fold_of = {index: fold_of_word[name] for index, name in enumerate(names) if name in fold_of_word}
    return fold_of | {index: place * num_folds // len(nameless) for place, index in enumerate(nameless)}


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
