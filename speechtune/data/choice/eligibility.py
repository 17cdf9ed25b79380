"""Which clips may judge a model: recorded ones. A synthetic voice is nobody, and a score on it says nothing of people.

Training may use synthetic clips; thresholds, the choice of settings and every test are made on recorded ones. Only
where there is nothing else do synthetic clips take their place, and a note says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.errors import DataError
from speechtune.labels import LabelSet


@dataclass(frozen=True, eq=False)
class Eligibility:
    """Which of N training clips may judge, in turn held out.

    Attributes:
        mask: bool[N], in the clips' order.
        notes: what a reader must know of it, one sentence each.
    """

    mask: NDArray[np.bool_]
    notes: tuple[str, ...]


def eligible_clips(clips: Sequence[Clip], labels: LabelSet) -> Eligibility:
    """The recorded clips; where all keyword clips, or all negative ones, are synthetic, those too."""
    recorded = np.array([not clip.synthetic for clip in clips], dtype=bool)
    is_keyword = np.array([clip.label in labels.keywords for clip in clips], dtype=bool)
    is_negative = np.array([clip.label in labels.negatives for clip in clips], dtype=bool)
    mask, notes = recorded.copy(), list[str]()
    if not (recorded & is_keyword).any():
        mask |= is_keyword
        if is_keyword.any():
            notes.append("every keyword clip is synthetic: thresholds are chosen on nobody's voice; record some")
    elif lacking := set(labels.keywords) - {clip.label for clip in clips if not clip.synthetic}:
        names = ", ".join(keyword for keyword in labels.keywords if keyword in lacking)
        notes.append(f"{names}: no recorded clip, and synthetic ones judge nothing; thresholds are those of the others")
    if is_negative.any() and not (recorded & is_negative).any():
        mask |= is_negative
        notes.append(
            "every negative clip is synthetic: what thresholds let through is counted on nobody's voice; give recorded "
            "speech without keywords"
        )
    return Eligibility(mask, tuple(notes))


def clips_to_test_on(clip_set: ClipSet, *, with_synthetic: bool = False) -> tuple[tuple[Clip, ...], str | None]:
    """The clips that are declared as test, else as valid, else as nothing; recorded ones only, unless asked for.

    Returns:
        The clips, at least one, and what a reader must know: that none is declared as test though some are as another
        split, and which synthetic ones were left out or taken; None if there is nothing to say.

    Raises:
        DataError: all clips are declared as train, or all are synthetic and those were not asked for.
    """
    clips, standing_in = _outside_training(clip_set)
    recorded, synthetic = _recorded(clip_set, clips, with_synthetic=with_synthetic)
    return recorded, "; ".join(note for note in (standing_in, synthetic) if note is not None) or None


def _outside_training(clip_set: ClipSet) -> tuple[tuple[Clip, ...], str | None]:
    if tested := clip_set.in_split("test"):
        return tested, None
    if valid := clip_set.in_split("valid"):
        return valid, f"no clip is declared as test: the {len(valid)} valid clips take their place"
    undeclared = tuple(clip for clip in clip_set.clips if clip.split is None)
    num_train = len(clip_set.clips) - len(undeclared)
    if not undeclared:
        raise DataError(
            f"{clip_set.root}: all {num_train} clips are declared as train, so that a score says nothing of others; "
            "name test clips, or declare some with speechtune split"
        )
    if not num_train:
        return undeclared, None
    return undeclared, f"no clip is declared as test: the {len(undeclared)} without a split take their place"


def _recorded(
    clip_set: ClipSet, clips: tuple[Clip, ...], *, with_synthetic: bool
) -> tuple[tuple[Clip, ...], str | None]:
    num_synthetic = sum(clip.synthetic for clip in clips)
    if not num_synthetic:
        return clips, None
    if with_synthetic:
        return clips, f"{num_synthetic} of {len(clips)} test clips are synthetic: scores say nothing of people"
    recorded = tuple(clip for clip in clips if not clip.synthetic)
    if not recorded:
        raise DataError(
            f"{clip_set.root}: all {num_synthetic} clips are synthetic, and a score on them says nothing of people; "
            "record some, or take them by --synthetic to see that everything works"
        )
    return recorded, f"{num_synthetic} synthetic clips left out: they never judge a model"
