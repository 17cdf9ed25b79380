"""Folds for cross-fitting: every clip is judged by a model that heard neither it nor its speaker."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.data.sets.clips import Clip, content_hashes
from speechtune.errors import ConfigError, UnsplittableError


def folds(clips: Sequence[Clip], num_folds: int) -> NDArray[np.int64]:
    """Deal clips into folds of like make-up, a speaker's clips together.

    Clips without a speaker go by the recording that they were cut from, and if they were not cut by their content.

    Groups are dealt from the largest on, each to the fold that has least of its labels. The order of the clips does
    not matter. With fewer groups than folds there are as many folds as groups.

    Returns:
        int64[len(clips)]: the fold of every clip, 0 to F - 1, none of them empty.

    Raises:
        ConfigError: fewer than 2 folds asked.
        UnsplittableError: fewer than 2 groups.
        UnreadableAudioError: a clip without speaker cannot be read.
    """
    if num_folds < 2:
        raise ConfigError(f"{num_folds} folds: at least 2 are needed")
    groups = _groups(clips)
    if len(groups) < 2:
        what = "one clip" if len(clips) == 1 else f"{len(clips)} clips of one speaker or one content"
        raise UnsplittableError(f"{what}: nothing is left to check a model on; record more clips, or more people")
    num_folds = min(num_folds, len(groups))
    column = {label: index for index, label in enumerate(sorted({clip.label for clip in clips}))}
    num_dealt = np.zeros((num_folds, len(column)), dtype=np.int64)
    fold_of = np.zeros(len(clips), dtype=np.int64)
    for _, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        counts = Counter(column[clips[place].label] for place in members)
        columns = list(counts)
        crowding = num_dealt[:, columns] @ np.fromiter(counts.values(), dtype=np.int64)
        totals = num_dealt.sum(axis=1)
        # An empty fold comes first, so that none stays empty; then like labels are spread, then sizes evened.
        fold = min(range(num_folds), key=lambda index: (totals[index] > 0, crowding[index], totals[index]))
        num_dealt[fold, columns] += np.fromiter(counts.values(), dtype=np.int64)
        fold_of[members] = fold
    return fold_of


def _groups(clips: Sequence[Clip]) -> dict[tuple[str, str], list[int]]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    whole: list[int] = []
    for place, clip in enumerate(clips):
        if clip.speaker is not None:
            groups["speaker", clip.speaker].append(place)
        elif clip.source is not None or clip.stretch != (0, None):
            groups["recording", os.path.abspath(clip.recording)].append(place)
        else:
            whole.append(place)
    for place, content in zip(whole, content_hashes([clips[place] for place in whole]), strict=True):
        groups["content", content].append(place)
    return groups
