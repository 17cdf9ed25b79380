"""Any number of negative clips at a bounded cost: a quick look at many of them, and those that matter most are kept.

Most other speech is told from the commands with ease, and a head gains nothing by meeting more of it. What it gains by
is speech that comes near to a command, and many different words and voices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from speechtune.data.sets.clips import Clip, count_labels
from speechtune.training.head.training_run import TrainingRun
from speechtune.training.material.dealt_folds import deal
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.stages import silent

_LOOKED_AT = 3
"""Times as many clips are looked at as are kept: a look costs a ninth of what learning from a clip does."""
_JUDGING = 400
"""Clips drawn by chance from all, which stand for all where thresholds are chosen: the hardest alone would raise them,
and what is left over would lower them."""
_STAGE = "choose negatives"


def keep_those_that_matter(read: TrainingSet, run: TrainingRun) -> TrainingSet:
    """The same training set with at most `head.most_negatives` negative clips, and a note of what was left out.

    Half of them are the hardest of all: those in which heads that were not trained on them are surest of a keyword. The
    others are the hardest of each word and speaker in turn. Where clips are very many, the look is at a part of them,
    of every word and speaker alike.
    """
    negatives = [index for index, clip in enumerate(read.clips) if clip.label in read.labels.negatives]
    most = run.recipe.head.most_negatives
    if len(negatives) <= most:
        return read
    rng = np.random.default_rng((run.recipe.seed, len(negatives)))
    order = [negatives[place] for place in rng.permutation(len(negatives)).tolist()]
    candidates = sorted(_in_turn(order, read.clips)[: _LOOKED_AT * most])
    hardness = _hardness(read, candidates, run)
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


def _hardness(read: TrainingSet, candidates: Sequence[int], run: TrainingRun) -> dict[int, float]:
    """0 to 1 for each candidate: the highest posterior of a keyword by a head that was not trained on it."""
    keywords = [index for index, clip in enumerate(read.clips) if clip.label in read.labels.keywords]
    looked_at = sorted([*keywords, *candidates])
    some = read.take(looked_at)
    some = replace(some, clips=tuple(replace(clip, synthetic=False) for clip in some.clips), recordings=[])
    recipe = run.recipe.model_copy(
        update={
            "head": run.recipe.head.model_copy(
                update={"running_speech": 0, "background_speech": 0, "command_parts": 0}
            ),
            "augment": run.recipe.augment.model_copy(update={"copies": 0}),
            "calibration": run.recipe.calibration.model_copy(update={"folds": 2}),
        }
    )
    embedded = replace(run, recipe=recipe, progress=lambda _, done, total: run.progress(_STAGE, done, total)).embed(
        some
    )
    dealt = deal(some, recipe.calibration.folds)
    held_out = replace(run, recipe=recipe, progress=silent).cross_fit(embedded, dealt).predictions
    surest = held_out.posteriors[:, : len(read.labels.keywords)].max(axis=1)
    return {looked_at[int(clip)]: float(one) for clip, one in zip(held_out.clip_ids, surest, strict=True)}


def _without(read: TrainingSet, left_out: set[int], judging: set[int], note: str) -> TrainingSet:
    kept = [index for index in range(len(read.clips)) if index not in left_out]
    fewer = read.take(kept)
    return replace(
        fewer,
        facts=read.facts | {"num_clips": dict(count_labels(fewer.clips)), "num_negatives_left_out": len(left_out)},
        notes=(*read.notes, note),
        standing_for_all=frozenset(place for place, index in enumerate(kept) if index in judging),
        spare=tuple((read.clips[index], read.samples[index]) for index in sorted(left_out & judging)),
    )
