"""Which negative clips are kept where there are too many, and which stand for all of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from speechtune.data.sets.clips import Clip
from speechtune.labels import LabelSet
from speechtune.recipe import Recipe
from speechtune.training.head import chosen_negatives
from speechtune.training.head.chosen_negatives import keep_those_that_matter
from speechtune.training.head.fitting import HeadTrainer
from speechtune.training.head.training_run import TrainingRun
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.stages import silent
from tests.support.clips import named_clip
from tests.support.encoders import random_classifier
from tests.support.training import training_set

LABELS = LabelSet(("yes",), ("_unknown_", "bird", "cat"))
NUM_YES = 4


def read_of(negatives: list[Clip]) -> TrainingSet:
    clips = (*(named_clip(number, "yes") for number in range(NUM_YES)), *negatives)
    samples = [np.full(400, number, dtype=np.float32) for number in range(len(clips))]
    return training_set(LABELS, clips, samples)


def run_of(most: int) -> TrainingRun:
    recipe = Recipe.model_validate({"head": {"most_negatives": most}})
    return TrainingRun(random_classifier(), torch.device("cpu"), recipe, HeadTrainer(recipe.head), silent)


def kept_of(read: TrainingSet, hardness: dict[int, float], most: int, monkeypatch: pytest.MonkeyPatch) -> TrainingSet:
    monkeypatch.setattr(chosen_negatives, "_hardness", lambda *_: hardness)
    return keep_those_that_matter(read, run_of(most))


def test_as_many_as_may_be_stay_as_they_are() -> None:
    read = read_of([named_clip(number, "cat") for number in range(10)])
    assert keep_those_that_matter(read, run_of(10)) is read


def test_the_hardest_are_kept_and_the_hardest_of_each_word_and_speaker(monkeypatch: pytest.MonkeyPatch) -> None:
    cats = [named_clip(number, "cat", "ann") for number in range(20)]
    others = [named_clip(20, "bird", "ann"), named_clip(21, "bird", "bob"), named_clip(22, "_unknown_")]
    read = read_of([*cats, *others])
    hardness = {NUM_YES + number: 1.0 - number / 100 for number in range(23)}
    kept = kept_of(read, hardness, 10, monkeypatch)
    assert [clip for clip in kept.clips if clip.label == "yes"] == list(read.clips[:NUM_YES])
    assert set(others) <= set(kept.clips)
    assert [clip for clip in kept.clips if clip.label == "cat"] == cats[:7]
    assert [float(samples[0]) for samples in kept.samples] == [read.clips.index(clip) for clip in kept.clips]
    assert kept.facts["num_negatives_left_out"] == 13


def test_a_fair_draw_of_all_judges_whether_it_is_learnt_from_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen_negatives, "_JUDGING", 12)
    read = read_of([named_clip(number, "cat") for number in range(40)])
    hardness = {index: index / 100 for index in range(NUM_YES, NUM_YES + 40)}
    kept = kept_of(read, hardness, 10, monkeypatch)
    assert kept.standing_for_all is not None
    learnt = {kept.clips[place] for place in kept.standing_for_all}
    spare = {clip for clip, _ in kept.spare}
    assert len(learnt) + len(spare) == 12
    assert spare
    assert spare.isdisjoint(kept.clips)
    assert all(Path(clip.path).stem == str(int(samples[0]) - NUM_YES) for clip, samples in kept.spare)
