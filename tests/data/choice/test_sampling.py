"""k-shot draws."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.data.choice.sampling import draw_shots
from speechtune.errors import ConfigError, UnsplittableError
from tests.support.clips import named_clip

KEYWORDS = ("yes", "no")
CLIPS = tuple(named_clip(number, label) for label in ("yes", "no", "cat") for number in range(20))


@settings(deadline=None)
@given(shots=st.integers(1, 20), seed=st.integers(0, 2**31), order=st.randoms(use_true_random=False))
def test_the_order_of_the_clips_does_not_matter(shots: int, seed: int, order: random.Random):
    shuffled = list(CLIPS)
    order.shuffle(shuffled)
    assert set(draw_shots(shuffled, shots, seed, KEYWORDS)) == set(draw_shots(CLIPS, shots, seed, KEYWORDS))


@settings(deadline=None)
@given(shots=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_each_keyword_gets_its_shots_and_negatives_stay(shots: int, seed: int):
    drawn = draw_shots(CLIPS, shots, seed, KEYWORDS)
    assert Counter(clip.label for clip in drawn) == {"yes": shots, "no": shots, "cat": 20}
    assert list(drawn) == [clip for clip in CLIPS if clip in drawn]


@settings(deadline=None)
@given(few=st.integers(1, 20), many=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_a_smaller_draw_is_part_of_a_larger_one(few: int, many: int, seed: int):
    few, many = sorted((few, many))
    assert set(draw_shots(CLIPS, few, seed, KEYWORDS)) <= set(draw_shots(CLIPS, many, seed, KEYWORDS))


def test_the_place_of_the_folder_does_not_matter():
    moved = tuple(replace(clip, path=Path("/elsewhere", *clip.path.parts[1:])) for clip in CLIPS)
    names = [clip.path.name for clip in draw_shots(CLIPS, 3, 0, KEYWORDS)]
    assert [clip.path.name for clip in draw_shots(moved, 3, 0, KEYWORDS)] == names


def test_seeds_draw_differently():
    draws = {draw_shots(CLIPS, 5, seed, KEYWORDS) for seed in range(10)}
    assert len(draws) == 10


def test_every_clip_has_an_equal_chance():
    counts = Counter(clip for seed in range(400) for clip in draw_shots(CLIPS, 5, seed, ["yes"]) if clip.label == "yes")
    # 400 draws of 5 in 20: 100 each; four standard deviations of 8.7.
    assert len(counts) == 20
    assert all(65 <= count <= 135 for count in counts.values())


def test_files_of_one_name_in_several_folders_are_drawn_apart():
    clips = [replace(named_clip(0), path=Path("yes", speaker, "1.wav")) for speaker in "abcdefgh"]
    assert len(set(draw_shots(clips, 3, 0, ["yes"]))) == 3
    assert set(draw_shots(clips[::-1], 3, 0, ["yes"])) == set(draw_shots(clips, 3, 0, ["yes"]))


def test_more_shots_than_clips_are_refused_with_the_counts():
    with pytest.raises(UnsplittableError, match=r"21 clips of each keyword were asked for, yes has 20, maybe has 0"):
        draw_shots(CLIPS, 21, 0, ["yes", "maybe"])


@pytest.mark.parametrize("shots", [0, -1])
def test_no_shots_are_refused(shots):
    with pytest.raises(ConfigError, match="at least 1"):
        draw_shots(CLIPS, shots, 0, KEYWORDS)
