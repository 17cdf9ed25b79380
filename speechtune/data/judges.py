"""Which clips may judge a model: recorded ones. A synthetic voice is nobody, and a score on it says nothing of people.

Training may use synthetic clips; thresholds, the choice of settings and every test are made on recorded ones. Only
where there is nothing else do synthetic clips take their place, and a note says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.data.clips import Clip, ClipSet
from speechtune.errors import DataError
from speechtune.labels import LabelSet


@dataclass(frozen=True, eq=False)
class Judges:
    """Which of N training clips may judge, in turn held out.

    Attributes:
        mask: bool[N], in the clips' order.
        notes: what a reader must know of it, one sentence each.
    """

    mask: NDArray[np.bool_]
    notes: tuple[str, ...]


def judges_among(clips: Sequence[Clip], labels: LabelSet) -> Judges:
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
    return Judges(mask, tuple(notes))


def clips_to_test_on(clip_set: ClipSet, *, with_synthetic: bool = False) -> tuple[tuple[Clip, ...], str | None]:
    """The clips that are declared as test, else all; recorded ones only, unless asked for.

    Returns:
        The clips, at least one, and a sentence on synthetic ones that were left out or taken; None if there are none.

    Raises:
        DataError: all of them are synthetic, and they were not asked for.
    """
    clips = clip_set.in_split("test") or clip_set.clips
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
