"""Clips that sound like another label than the one they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.data.clips import Clip
from speechtune.data.inspection_report import Finding
from speechtune.data.likeness import held_out_scores, margin_of_others
from speechtune.labels import SILENCE, UNKNOWN

_MIN_CLIPS = 4
"""A label with fewer clips is not known well enough to doubt it."""

_DOUBT_MARGIN = 0.2
"""By how much another label must beat the clip's own: then one clean clip in a hundred is doubted, and of labels that
were swapped on purpose one in eight is not where each word has ten clips, none where it has hundreds
(`benchmarks.planted_faults` on Speech Commands and Free Spoken Digits)."""


def doubted_labels(clips: Sequence[Clip], embeddings: Sequence[NDArray[np.float32] | None]) -> dict[int, Finding]:
    """The places of clips whose label the other clips contradict, and what each sounds like.

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
    margins = margin_of_others(scores, targets_array)
    return {
        places[row]: Finding(
            "sounds_like_another",
            f"it sounds more like {names[int(scores[row].argmax())]!r} ({margins[row]:+.2f})",
        )
        for row in np.flatnonzero(margins > _DOUBT_MARGIN)
    }
