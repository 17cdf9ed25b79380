"""Splits where speakers are not known, and test clips that are locked."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from speechtune.cli.app import run
from speechtune.data.choice.splits import SplitFractions, split_clips
from speechtune.data.sets import locks as locks_module
from speechtune.data.sets.clips import Clip, content_hash, read_clip
from speechtune.data.sets.folders import load_folder
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.locks import lock_clips, lock_file, refuse_locked
from speechtune.errors import DataError, ManifestError, UnsplittableError
from speechtune.whole_files import write_whole
from tests.support.clips import make_folder, named_clip, word_like
from tests.support.speech import SPEECH_FOLDER, needs_speech

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


@pytest.mark.parametrize(("suffix", "gain"), [(".wav", 0.5), (".flac", 0.1), (".flac", 1.0)])
def test_a_locked_clip_is_refused_when_it_was_written_again_in_another_form(tmp_path, suffix, gain):
    data = load_folder(make_folder(tmp_path / "data", {"yes": 4, "no": 4}))
    locks = tmp_path / "list.txt"
    lock_clips(data.clips[:2], locks)
    again = tmp_path / f"again{suffix}"
    soundfile.write(again, gain * read_clip(data.clips[1]), 16_000)
    with pytest.raises(DataError, match=r"again.*: one of 1 clips"):
        refuse_locked([replace(data.clips[3], path=again)], locks)
    refuse_locked(data.clips[2:], locks)


def test_a_list_without_sounds_still_holds_and_learns_them_when_its_clips_are_locked_again(tmp_path):
    data = load_folder(make_folder(tmp_path / "data", {"yes": 2}))
    locks = tmp_path / "list.txt"
    locks.write_text(f"{content_hash(data.clips[0].path)} yes/0.wav\n")
    again = tmp_path / "again.flac"
    soundfile.write(again, 0.5 * read_clip(data.clips[0]), 16_000)
    copy = [replace(data.clips[0], path=again)]
    with pytest.raises(DataError, match="one of 1"):
        refuse_locked(data.clips, locks)
    refuse_locked(copy, locks)
    assert lock_clips(data.clips[:1], locks) == 0
    with pytest.raises(DataError, match=r"again\.flac"):
        refuse_locked(copy, locks)


def test_a_recording_longer_than_any_clip_may_be_is_locked_and_known_again(tmp_path):
    path = tmp_path / "talk" / "hour.wav"
    path.parent.mkdir()
    sound = np.tile(word_like(1), 8)
    soundfile.write(path, np.concatenate([sound, np.zeros(601 * 16_000, np.float32)]), 16_000)
    locks = tmp_path / "list.txt"
    lock_clips([Clip(path, "_unknown_")], locks)
    again = tmp_path / "again.flac"
    soundfile.write(again, 0.5 * sound, 16_000)
    with pytest.raises(DataError, match=r"again\.flac"):
        refuse_locked([Clip(again, "_unknown_")], locks)


@needs_speech
def test_speech_is_known_again_through_a_codec_and_no_other_take_is_taken_for_it(tmp_path):
    takes = [clip for clip in load_folder(SPEECH_FOLDER / "fsdd").clips if clip.label in ("3", "8")]
    locks = tmp_path / "list.txt"
    assert len(takes) == 600
    lock_clips(takes[::2], locks)
    refuse_locked(takes[1::2], locks)
    again = tmp_path / "again.ogg"
    soundfile.write(again, 0.7 * read_clip(takes[2]), 16_000)
    with pytest.raises(DataError, match=r"again\.ogg: one of 1"):
        refuse_locked([replace(takes[2], path=again)], locks)


@pytest.mark.parametrize("sound", ["sound:oops", "sound:", "sound:AAAA"])
def test_a_broken_sound_is_refused_by_its_line(tmp_path, sound):
    locks = tmp_path / "list.txt"
    locks.write_text(f"{'0' * 64} {sound} yes/0.wav\n")
    with pytest.raises(ManifestError, match="line 1: its sound cannot be read"):
        refuse_locked([], locks)


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


def test_locks_that_are_set_at_the_same_time_are_all_kept(tmp_path, monkeypatch):
    data = load_folder(make_folder(tmp_path / "data", {"yes": 24}))
    locks = tmp_path / "list.txt"

    def slowly(path, content):
        time.sleep(0.1)
        write_whole(path, content)

    monkeypatch.setattr(locks_module, "write_whole", slowly)
    with ThreadPoolExecutor(3) as pool:
        num_new = list(pool.map(lambda start: lock_clips(data.clips[start : start + 8], locks), (0, 8, 16)))
    assert num_new == [8, 8, 8]
    assert len(locks.read_text().splitlines()) == 24


@pytest.fixture
def splitting(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHTUNE_LOCKS", str(tmp_path / "locks.txt"))
    data = make_folder(tmp_path / "data", {"yes": 30, "no": 30})
    return ["split", str(data), "--speaker-pattern", r"(\d+)", "--valid", "0.2", "--test", "0.3", "--lock", "--out"]


def test_no_split_is_declared_whose_test_clips_could_not_be_locked(tmp_path, splitting, capsys):
    (tmp_path / "locks.txt").write_text("oops\n")
    assert run([*splitting, str(tmp_path / "split.jsonl")]) == 2
    assert "not a clip's hash" in capsys.readouterr().err
    assert not (tmp_path / "split.jsonl").exists()


@pytest.mark.parametrize("name", ["split.txt", "data", "data/yes/0.wav/split.jsonl"])
def test_nothing_is_locked_for_a_manifest_that_cannot_be_written(tmp_path, splitting, name, capsys):
    assert run([*splitting, str(tmp_path / name)]) == 2
    assert not (tmp_path / "locks.txt").exists()
    assert capsys.readouterr().err.count("\n") == 1
