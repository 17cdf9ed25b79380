"""Clips that sound like another label than the one they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.data.inspection.label_scores import doubt, held_out_scores
from speechtune.data.inspection.report import Doubt, Finding
from speechtune.data.sets.clips import Clip
from speechtune.labels import SILENCE, UNKNOWN

_MIN_CLIPS = 4
"""A label with fewer clips is not known well enough to doubt it."""

_DOUBT = 1.4
"""How many times as much as its own another label must be heard in a clip. Chosen on sets of four to ten clips a word
of Speech Commands' test speakers and on spoken digits: one clean clip in sixty is doubted there, and of labels that
were swapped on purpose one in fifty is not."""


def finding_of(found: Doubt) -> Finding | None:
    """A doubt that is strong enough to accuse the label; None: it is not."""
    if found.times <= _DOUBT:
        return None
    return Finding("sounds_like_another", f"it sounds {found.times:.1f} times as much like {found.label!r}")


def doubts_of_labels(clips: Sequence[Clip], embeddings: Sequence[NDArray[np.float32] | None]) -> dict[int, Doubt]:
    """By the places of the clips: how far all the other clips contradict the label of each.

    `_unknown_` and `_silence_` are no words and are left out, like labels with fewer than four clips.

    Args:
        clips: the data.
        embeddings: float32[E] of each clip; None where there is none.
    """
    counts = Counter(clip.label for clip, embedding in zip(clips, embeddings, strict=True) if embedding is not None)
    names = sorted(label for label in counts if counts[label] >= _MIN_CLIPS and label not in (SILENCE, UNKNOWN))
    places, known, targets = [], [], []
    for place, (clip, embedding) in enumerate(zip(clips, embeddings, strict=True)):
        if embedding is not None and clip.label in names:
            places.append(place)
            known.append(embedding)
            targets.append(names.index(clip.label))
    if len(names) < 2:
        return {}
    targets_array = np.array(targets)
    scores = held_out_scores(np.stack(known), targets_array)
    doubts = doubt(scores, targets_array)
    others = scores.copy()
    others[np.arange(len(scores)), targets_array] = -np.inf
    return {
        place: Doubt(float(times), names[int(other)])
        for place, times, other in zip(places, doubts, others.argmax(axis=1), strict=True)
    }
