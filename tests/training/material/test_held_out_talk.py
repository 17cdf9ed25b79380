"""Which negatives are held out from which head, and what is played to it of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from speechtune.data.sets.clips import Clip
from speechtune.labels import LabelSet
from speechtune.training.material import held_out_talk as module
from speechtune.training.material.dealt_folds import deal, folds_of_negatives
from speechtune.training.material.held_out_talk import Talk, held_out_talk
from speechtune.training.material.training_set import TrainingSet
from tests.support.clips import named_clip
from tests.support.training import training_set


def read_of(negatives: list[Clip]) -> TrainingSet:
    labels = LabelSet(("yes", "no"), tuple(dict.fromkeys(clip.label for clip in negatives)))
    clips = [named_clip(n, label, f"person{n}") for label in ("yes", "no") for n in range(6)]
    clips += negatives
    return training_set(labels, clips, [np.full(800, number, np.float32) for number in range(len(clips))])


def heard(talk: Talk) -> list[set[int]]:
    """Of every fold, the numbers of the clips that are heard."""
    return [set() if one is None else set(np.unique(one).astype(int)) - {0} for one in talk.of_folds]


@pytest.fixture(autouse=True)
def _as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def same(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return samples

    monkeypatch.setattr(module, "spoken_part", same)
    monkeypatch.setattr(module, "faded", same)


@pytest.mark.parametrize("negative", ["cat", "_unknown_"])
def test_where_too_little_can_be_held_out_there_is_no_talk_and_it_is_said(negative: str) -> None:
    read = read_of([named_clip(n, negative) for n in range(6)])
    dealt = deal(read, 5)
    assert held_out_talk(read, dealt, seed=0) == ()
    assert any("too few clips of other speech" in note for note in dealt.notes)


def test_words_are_held_out_whole_and_each_head_hears_its_own() -> None:
    read = read_of([named_clip(n, word, f"p{n}") for word in ("cat", "dog", "tree") for n in range(4)])
    (talk,) = held_out_talk(read, deal(read, 2), seed=0)
    assert talk.num_words == 3
    assert heard(talk) == [{*range(12, 16), *range(20, 24)}, set(range(16, 20))]


def test_speech_that_names_no_word_is_held_out_in_neighbourhoods_and_played_by_itself() -> None:
    cats = [named_clip(n, "cat", f"person{n}") for n in range(6)]
    read = read_of([*[named_clip(100 + n, "_unknown_", None) for n in range(20)], *cats])
    dealt = deal(read, 5)
    assert dealt.notes == ()
    recorded = held_out_talk(read, dealt, seed=0)[0]
    assert recorded.num_words is None
    assert heard(recorded) == [set(range(first, first + 4)) for first in range(12, 32, 4)]


def test_synthetic_clips_are_not_played_where_there_are_recorded_ones() -> None:
    recorded = [named_clip(n, word) for word in ("cat", "dog") for n in range(3)]
    made = [replace(named_clip(50 + n, word), synthetic=True) for word in ("cat", "dog") for n in range(3)]
    read = read_of([*recorded, *made])
    (talk,) = held_out_talk(read, deal(read, 2), seed=0)
    assert set().union(*heard(talk)) == set(range(12, 18))


def test_what_is_not_learnt_from_is_played_to_the_head_that_lacks_its_word() -> None:
    read = read_of([named_clip(n, word) for word in ("cat", "dog") for n in range(3)])
    spare = replace(read, standing_for_all=frozenset({12, 15}), spare=((named_clip(9, "dog"), np.full(800, 77.0)),))
    (talk,) = held_out_talk(spare, deal(spare, 2), seed=0)
    assert heard(talk) == [{12}, {15, 77}]


def test_words_lie_in_one_fold_each() -> None:
    clips = [named_clip(n, word) for word in ("cat", "dog", "tree") for n in range(2)]
    assert folds_of_negatives(clips, ("tree", "cat", "dog"), 2) == {0: 1, 1: 1, 2: 0, 3: 0, 4: 0, 5: 0}
