"""Splits without a person on two sides, folds, and leaks."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from speechtune.cli.app import run
from speechtune.data.choice.folds import folds
from speechtune.data.choice.splits import SplitFractions, Splits, split_by_speaker
from speechtune.data.inspection.leaks import find_leaks
from speechtune.data.sets.clips import Clip
from speechtune.data.sets.loading import load_clips
from speechtune.errors import ConfigError, UnreadableAudioError, UnsplittableError
from tests.support.clips import make_folder, named_clip, word_like, write_audio
from tests.support.speech import SPEECH_FOLDER, needs_speech

THIRDS = SplitFractions(0.4, 0.3, 0.3)
SPEAKERS = [f"speaker{number}" for number in range(60)]
CLIPS = tuple(named_clip(number, "yes", SPEAKERS[number % 60]) for number in range(240))


def sides(splits: Splits) -> dict[Clip, str]:
    return {clip: side for side in ("train", "valid", "test") for clip in getattr(splits, side)}


@settings(deadline=None)
@given(seed=st.integers(0, 2**31), keep=st.sets(st.integers(0, 239), min_size=150))
def test_adding_clips_and_speakers_moves_nobody(seed: int, keep: set[int]):
    try:
        before = sides(split_by_speaker([CLIPS[number] for number in sorted(keep)], THIRDS, seed))
    except UnsplittableError:
        assume(False)
    after = sides(split_by_speaker(CLIPS, THIRDS, seed))
    assert {clip: after[clip] for clip in before} == before


@settings(deadline=None)
@given(seed=st.integers(0, 2**31))
def test_every_clip_is_on_one_side_and_every_speaker_too(seed: int):
    splits = split_by_speaker(CLIPS, THIRDS, seed)
    assert len(splits.train) + len(splits.valid) + len(splits.test) == len(CLIPS)
    side_of = sides(splits)
    assert len({(clip.speaker, side) for clip, side in side_of.items()}) == 60
    assert splits.by == "speaker"
    assert "people the model never heard" in splits.claim


def test_the_shares_are_about_those_asked_for():
    clips = [named_clip(number, "yes", f"s{number}") for number in range(5_000)]
    splits = split_by_speaker(clips, SplitFractions(0.7, 0.1, 0.2), 0)
    assert abs(len(splits.train) / 5_000 - 0.7) < 0.03
    assert abs(len(splits.test) / 5_000 - 0.2) < 0.03


def test_seeds_split_differently():
    assert split_by_speaker(CLIPS, THIRDS, 0) != split_by_speaker(CLIPS, THIRDS, 1)


def test_a_share_of_zero_stays_empty():
    splits = split_by_speaker(CLIPS, SplitFractions(0.5, 0.0, 0.5), 0)
    assert splits.valid == ()


@pytest.mark.parametrize(
    "shares", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (0.0, 0.0, 0.0), (0.9, math.nan, 0.1), (math.nan, 0.5, 0.5)]
)
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ConfigError, match="split shares"):
        SplitFractions(*shares)


@pytest.mark.parametrize(("valid", "test"), [("0.8", "0.2"), ("0.3", "0.7"), ("0.9", "0.1"), ("0.7", "0.3")])
def test_nothing_is_left_for_training_where_the_shares_add_up(tmp_path, valid, test):
    folder = make_folder(tmp_path / "data", {"yes": 40})
    arguments = ["split", str(folder), "--out", str(tmp_path / "m.jsonl"), "--speaker-pattern", r"(\d+)"]
    assert run([*arguments, "--valid", valid, "--test", test]) == 0
    assert {clip.split for clip in load_clips(tmp_path / "m.jsonl").clips} == {"valid", "test"}


def test_where_speakers_are_not_all_known_sessions_separate_and_claim_less():
    clips = [replace(clip, session=f"day{number % 40}") for number, clip in enumerate(CLIPS)]
    clips[5] = replace(clips[5], speaker=None)
    splits = split_by_speaker(clips, THIRDS, 0)
    assert splits.by == "session"
    assert "nothing is known of people the model never heard" in splits.claim
    assert len({(clip.session, side) for clip, side in sides(splits).items()}) == 40


def test_without_speakers_and_sessions_nothing_is_split_and_the_reason_is_said():
    clips = [*CLIPS, named_clip(999)]
    with pytest.raises(UnsplittableError, match=r"999.wav: one of 1 clips.*no score could be claimed for new people"):
        split_by_speaker(clips, THIRDS, 0)


def test_too_few_speakers_are_refused_by_name():
    clips = [named_clip(number, "yes", "ann") for number in range(10)]
    with pytest.raises(UnsplittableError, match=r"1 speakers \(ann\): none falls to the .* nothing could be claimed"):
        split_by_speaker(clips, THIRDS, 0)


def test_synthetic_clips_train_and_never_judge():
    made = [replace(named_clip(1000 + number, "yes", f"voice{number}"), synthetic=True) for number in range(50)]
    splits = split_by_speaker([*CLIPS, *made], THIRDS, 0)
    assert set(made) <= set(splits.train)
    with pytest.raises(UnsplittableError, match="no recorded clips of speech"):
        split_by_speaker(made, THIRDS, 0)


def test_silence_without_a_speaker_is_split_by_its_content(tmp_path):
    silence = [Clip(write_audio(tmp_path / f"{n}.wav", word_like(n, 800)), "_silence_") for n in range(30)]
    splits = split_by_speaker([*CLIPS, *silence], THIRDS, 0)
    there = [sum(clip.label == "_silence_" for clip in side) for side in (splits.train, splits.valid, splits.test)]
    assert sum(there) == 30
    assert min(there) > 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc")), min_size=2, max_size=60), st.integers(2, 6))
def test_folds_keep_speakers_together_and_none_is_empty(pairs: list[tuple[int, str]], num_folds: int):
    clips = [named_clip(number, label, f"s{speaker}") for number, (speaker, label) in enumerate(pairs)]
    speakers = {speaker for speaker, _ in pairs}
    assume(len(speakers) > 1)
    fold_of = folds(clips, num_folds)
    assert set(fold_of) == set(range(min(num_folds, len(speakers))))
    assert len({(clip.speaker, fold) for clip, fold in zip(clips, fold_of, strict=True)}) == len(speakers)


def test_folds_do_not_depend_on_the_order_of_the_clips():
    order = np.random.default_rng(0).permutation(len(CLIPS))
    assert np.array_equal(folds([CLIPS[place] for place in order], 5), folds(CLIPS, 5)[order])


def test_folds_spread_every_label():
    clips = [named_clip(number, label, f"s{number % 41}") for number, label in enumerate(["yes", "no", "up"] * 40)]
    fold_of = folds(clips, 5)
    for label in ("yes", "no", "up"):
        counts = np.bincount(
            [fold for fold, clip in zip(fold_of, clips, strict=True) if clip.label == label], minlength=5
        )
        assert counts.min() >= 6
        assert counts.max() <= 10


def test_clips_without_a_speaker_are_dealt_by_content_so_that_copies_stay_together(tmp_path):
    paths = [write_audio(tmp_path / f"{number}.wav", word_like(number // 2, 800)) for number in range(8)]
    fold_of = folds([Clip(path, "yes") for path in paths], 4)
    assert np.array_equal(fold_of[::2], fold_of[1::2])
    assert set(fold_of) == {0, 1, 2, 3}


def test_one_clip_or_one_speaker_cannot_be_folded(tmp_path):
    path = write_audio(tmp_path / "1.wav", word_like(1, 800))
    with pytest.raises(UnsplittableError, match="one clip: nothing is left to check a model on"):
        folds([Clip(path, "yes")], 5)
    with pytest.raises(UnsplittableError, match="240 clips of one speaker"):
        folds([replace(clip, speaker="ann") for clip in CLIPS], 5)
    with pytest.raises(ConfigError, match="at least 2"):
        folds(CLIPS, 1)


def test_leaks_are_named_by_kind(tmp_path):
    paths = [
        write_audio(tmp_path / f"{name}.wav", word_like(seed, 800)) for name, seed in (("a", 1), ("b", 2), ("c", 1))
    ]
    train = [Clip(paths[0], "yes", "ann", "monday"), Clip(paths[1], "no", "bob", start_sample=0, end_sample=300)]
    test = [
        Clip(paths[2], "yes", "ann", "tuesday"),
        Clip(paths[1], "no", "cy", "monday", start_sample=300, end_sample=800),
    ]
    leaks = find_leaks(train, test)
    assert [leak.kind for leak in leaks] == ["speaker", "session", "recording", "content"]
    assert leaks[0].what == "ann"
    assert leaks[1].what == "monday"
    assert (leaks[2].train, leaks[2].test) == ((train[1],), (test[1],))
    assert (leaks[3].train, leaks[3].test) == ((train[0],), (test[0],))


def test_sides_that_share_nothing_have_no_leaks(tmp_path):
    paths = [write_audio(tmp_path / f"{number}.wav", word_like(number, 800)) for number in range(2)]
    assert find_leaks([Clip(paths[0], "yes", "ann")], [Clip(paths[1], "yes", "bob")]) == ()
    assert find_leaks([], []) == ()


def test_a_missing_file_is_named_when_leaks_are_sought(tmp_path):
    with pytest.raises(UnreadableAudioError, match=r"gone.wav: cannot be read"):
        find_leaks([Clip(tmp_path / "gone.wav", "yes")], [])


@needs_speech
def test_the_real_pool_and_dev_set_share_nobody():
    train, test = (load_clips(SPEECH_FOLDER / f"speech_commands_{name}") for name in ("fewshot", "dev"))
    assert find_leaks(train.clips, test.clips) == ()
