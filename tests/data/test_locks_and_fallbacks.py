"""Splits where speakers are not known, and test clips that are locked."""

import os
import shutil
from dataclasses import replace

import pytest

from speechtune.cli.app import run
from speechtune.data.folders import load_folder
from speechtune.data.loading import load_clips
from speechtune.data.locks import lock_clips, lock_file, refuse_locked
from speechtune.data.splits import SplitFractions, split_clips
from speechtune.errors import DataError, ManifestError, UnsplittableError
from tests.support.clips import make_folder, named_clip

THIRDS = SplitFractions(0.5, 0.25, 0.25)


def test_three_known_speakers_are_split_by_speaker_without_a_warning():
    clips = [named_clip(number, speaker=f"s{number % 20}", session="one") for number in range(60)]
    splits = split_clips(clips, THIRDS, 0)
    assert splits.by == "speaker"
    assert splits.warnings == ()


@pytest.mark.parametrize("speaker", [None, "ann"])
def test_else_by_session_with_a_warning(speaker):
    clips = [named_clip(number, speaker=speaker, session=f"day {number % 20}") for number in range(60)]
    splits = split_clips(clips, THIRDS, 0)
    assert splits.by == "session"
    assert "nothing can be claimed for new people" in splits.warnings[0]
    sides = [{clip.session for clip in side} for side in (splits.train, splits.valid, splits.test)]
    assert sum(len(side) for side in sides) == len(set.union(*sides))


def test_else_by_the_time_of_the_files_with_two_warnings(tmp_path):
    data = load_folder(make_folder(tmp_path, {"yes": 40}))
    for number, clip in enumerate(data.clips):
        os.utime(clip.path, (0, 1_700_000_000 + 3_600 * (number // 2)))
    splits = split_clips(data.clips, THIRDS, 0)
    assert splits.by == "time"
    assert len(splits.warnings) == 2
    # Clips of fewer half-hours fall where they fell before.
    fewer = [clip for clip in data.clips if clip not in splits.train[:8]]
    assert split_clips(fewer, THIRDS, 0).test == splits.test
    declared = splits.with_declared_splits()
    assert {clip.split for clip in declared} == {"train", "valid", "test"}
    assert len(declared) == 40


def test_files_of_one_half_hour_cannot_be_split(tmp_path):
    data = load_folder(make_folder(tmp_path, {"yes": 10}))
    for clip in data.clips:
        os.utime(clip.path, (0, 1_700_000_000))
    with pytest.raises(UnsplittableError, match="1 half-hours"):
        split_clips(data.clips, THIRDS, 0)


def test_a_locked_clip_is_refused_wherever_its_file_lies(tmp_path):
    data = load_folder(make_folder(tmp_path / "data", {"yes": 4}))
    locks = tmp_path / "locks" / "list.txt"
    refuse_locked(data.clips, locks)
    assert lock_clips(data.clips[:2], locks) == 2
    assert lock_clips(data.clips[:3], locks) == 1
    refuse_locked(data.clips[3:], locks)
    with pytest.raises(DataError, match=r"0.wav: one of 3 clips of a locked test split"):
        refuse_locked(data.clips, locks)
    elsewhere = tmp_path / "other.name"
    shutil.copyfile(data.clips[1].path, elsewhere)
    with pytest.raises(DataError, match=r"other.name: one of 1"):
        refuse_locked([replace(data.clips[3], path=elsewhere)], locks)


def test_a_broken_list_is_no_empty_list(tmp_path):
    locks = tmp_path / "list.txt"
    locks.write_text("oops\n")
    with pytest.raises(ManifestError, match="line 1: not a clip's hash"):
        refuse_locked([], locks)


def test_the_verb_declares_splits_and_locks_the_test(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPEECHTUNE_LOCKS", str(tmp_path / "locks.txt"))
    assert lock_file() == tmp_path / "locks.txt"
    data = make_folder(tmp_path / "data", {"yes": 30, "no": 30})
    arguments = ["split", str(data), "--out", str(tmp_path / "split.jsonl"), "--valid", "0.2", "--test", "0.3"]
    assert run([*arguments, "--speaker-pattern", r"(\d+)", "--lock"]) == 0
    told = capsys.readouterr().out
    assert "by speaker" in told
    assert "WARNING" not in told
    loaded = load_clips(tmp_path / "split.jsonl")
    refuse_locked(loaded.in_split("train"))
    with pytest.raises(DataError, match="locked"):
        refuse_locked(loaded.in_split("test"))
    times = iter(range(1_700_000_000, 1_800_000_000, 3_600))
    for clip in load_clips(data).clips:
        os.utime(clip.path, (0, next(times)))
    assert run(arguments) == 0
    assert "WARNING" in capsys.readouterr().out
