"""Any number of negative clips at a bounded cost: a quick look at many of them, and those that matter most are kept.

Most other speech is told from the commands with ease, and a head gains nothing by meeting more of it. What it gains by
is speech that comes near to a command, and many different words and voices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from speechtune.data.sets.clips import Clip, count_labels
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import Recipe
from speechtune.training.head.cross_fitting import cross_fit
from speechtune.training.head.fitting import Prior
from speechtune.training.material.embedding_cache import embed_clips
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.stages import Progress

_LOOKED_AT = 3
"""Times as many clips are looked at as are kept: a look costs a ninth of what learning from a clip does."""
_JUDGING = 400
"""Clips drawn by chance from all, which stand for all where thresholds are chosen: the hardest alone would raise them,
and what is left over would lower them."""
_STAGE = "choose negatives"

_Samples = NDArray[np.float32]


def keep_those_that_matter(
    read: TrainingSet,
    classifier: KeywordClassifier,
    device: torch.device,
    recipe: Recipe,
    prior: Prior | None,
    progress: Progress,
) -> TrainingSet:
    """The same training set with at most `head.most_negatives` negative clips, and a note of what was left out.

    Half of them are the hardest of all: those in which heads that were not trained on them are surest of a keyword. The
    others are the hardest of each word and speaker in turn. Where clips are very many, the look is at a part of them,
    of every word and speaker alike.

    Args:
        read: the training set.
        classifier: its encoder is run, and left on the CPU.
        device: where it is run.
        recipe: of the model.
        prior: what is known of the classes.
        progress: told of the look.
    """
    negatives = [index for index, clip in enumerate(read.clips) if clip.label in read.labels.negatives]
    most = recipe.head.most_negatives
    if len(negatives) <= most:
        return read
    rng = np.random.default_rng((recipe.seed, len(negatives)))
    order = [negatives[place] for place in rng.permutation(len(negatives)).tolist()]
    candidates = sorted(_in_turn(order, read.clips)[: _LOOKED_AT * most])
    hardness = _hardness(read, candidates, classifier, device, recipe, prior, progress)
    hardest = sorted(candidates, key=lambda index: (-hardness[index], index))
    kept = dict.fromkeys([*hardest[: most // 2], *_in_turn(hardest, read.clips)])
    chosen = set(list(kept)[:most])
    note = (
        f"{most} of {len(negatives)} negative clips are learnt from, the hardest of {len(candidates)} that were looked "
        "at and the hardest of each word and speaker; head.most_negatives takes more, and more time"
    )
    return _without(read, set(negatives) - chosen, set(order[:_JUDGING]), note)


def _in_turn(ordered: Sequence[int], clips: Sequence[Clip]) -> list[int]:
    """The clips of every word and speaker in turn, each group's in the order given."""
    groups: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for index in ordered:
        groups[clips[index].label, clips[index].speaker].append(index)
    return [index for turn in zip_longest(*groups.values()) for index in turn if index is not None]


def _hardness(
    read: TrainingSet,
    candidates: Sequence[int],
    classifier: KeywordClassifier,
    device: torch.device,
    recipe: Recipe,
    prior: Prior | None,
    progress: Progress,
) -> dict[int, float]:
    """0 to 1 for each candidate: the highest posterior of a keyword by a head that was not trained on it."""
    keywords = [index for index, clip in enumerate(read.clips) if clip.label in read.labels.keywords]
    looked_at = sorted([*keywords, *candidates])
    clips = [replace(read.clips[index], synthetic=False) for index in looked_at]
    plain = recipe.model_copy(
        update={
            "head": recipe.head.model_copy(update={"running_speech": 0, "background_speech": 0, "command_parts": 0}),
            "augment": recipe.augment.model_copy(update={"copies": 0}),
            "calibration": recipe.calibration.model_copy(update={"folds": 2}),
        }
    )
    targets = read.targets
    classifier.to(device)
    try:
        embedded = embed_clips(
            classifier,
            ChosenAudio(read.samples, looked_at),
            [targets[index] for index in looked_at],
            [],
            plain,
            lambda _, done, total: progress(_STAGE, done, total),
        )
    finally:
        classifier.to("cpu")
    held_out = cross_fit(classifier.head, embedded, clips, read.labels, plain, lambda *_: None, prior).predictions
    surest = held_out.posteriors[:, : len(read.labels.keywords)].max(axis=1)
    return {looked_at[int(clip)]: float(one) for clip, one in zip(held_out.clip_ids, surest, strict=True)}


def _without(read: TrainingSet, left_out: set[int], judging: set[int], note: str) -> TrainingSet:
    kept = [index for index in range(len(read.clips)) if index not in left_out]
    clips = tuple(read.clips[index] for index in kept)
    spare = tuple((read.clips[index], read.samples[index]) for index in sorted(left_out & judging))
    return replace(
        read,
        clips=clips,
        samples=ChosenAudio(read.samples, kept),
        facts=read.facts | {"num_clips": dict(count_labels(clips)), "num_negatives_left_out": len(left_out)},
        notes=(*read.notes, note),
        standing_for_all=frozenset(place for place, index in enumerate(kept) if index in judging),
        spare=spare,
    )


class ChosenAudio(Sequence[_Samples]):
    """Some of the clips' audio, each float32[any] at 16 kHz, in the order of `indices`."""

    def __init__(self, samples: Sequence[_Samples], indices: Iterable[int]) -> None:
        self._samples, self._indices = samples, tuple(indices)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> _Samples: ...
    @overload
    def __getitem__(self, index: slice) -> list[_Samples]: ...
    def __getitem__(self, index: int | slice) -> _Samples | list[_Samples]:
        """One clip, or a list of some."""
        if isinstance(index, slice):
            return [self._samples[position] for position in self._indices[index]]
        return self._samples[self._indices[index]]
