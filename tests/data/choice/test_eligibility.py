"""Synthetic clips train and never judge, whichever way they are brought in."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data_scripts.mix_stream import main as mix_stream
from speechtune.cli.app import run
from speechtune.data.choice.eligibility import clips_to_test_on, eligible_clips
from speechtune.data.sets.clips import ClipSet
from speechtune.data.sets.exchange import load_audiofolder
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.manifest import write_manifest
from speechtune.errors import DataError, ManifestError
from speechtune.labels import LabelSet
from tests.support.clips import make_folder, named_clip, write_audio

LABELS = LabelSet(("yes", "no"), ("cat", "dog"))


def made(number, label):
    return replace(named_clip(number, label), synthetic=True)


def test_recorded_clips_judge_and_synthetic_ones_beside_them_do_not():
    clips = [named_clip(0), made(1, "yes"), named_clip(2, "no"), named_clip(3, "cat"), made(4, "dog")]
    judges = eligible_clips(clips, LABELS)
    assert judges.mask.tolist() == [True, False, True, True, False]
    assert judges.notes == ()


def test_a_keyword_without_recorded_clips_is_told():
    judges = eligible_clips([named_clip(0), made(1, "no"), named_clip(2, "cat")], LABELS)
    assert judges.mask.tolist() == [True, False, True]
    assert len(judges.notes) == 1
    assert judges.notes[0].startswith("no: no recorded clip")


def test_where_there_is_nothing_else_synthetic_clips_judge_and_it_is_told():
    judges = eligible_clips([made(0, "yes"), made(1, "no"), named_clip(2, "cat")], LABELS)
    assert judges.mask.tolist() == [True, True, True]
    assert "every keyword clip is synthetic" in " ".join(judges.notes)
    judges = eligible_clips([named_clip(0), named_clip(1, "no"), made(2, "cat"), made(3, "dog")], LABELS)
    assert judges.mask.tolist() == [True, True, True, True]
    assert "every negative clip is synthetic" in " ".join(judges.notes)


def test_synthetic_clips_are_left_out_of_a_test_and_alone_are_none(tmp_path):
    clips = (named_clip(0), made(1, "yes"), named_clip(2, "no"))
    tested, note = clips_to_test_on(ClipSet(tmp_path, clips))
    assert tested == (clips[0], clips[2])
    assert note is not None
    assert "1 synthetic clips left out" in note
    with pytest.raises(DataError, match="all 1 clips are synthetic"):
        clips_to_test_on(ClipSet(tmp_path, clips[1:2]))
    tested, note = clips_to_test_on(ClipSet(tmp_path, clips[1:2]), with_synthetic=True)
    assert tested == clips[1:2]
    assert note is not None
    assert "say nothing of people" in note
    assert clips_to_test_on(ClipSet(tmp_path, clips[:1])) == (clips[:1], None)


def test_without_test_clips_valid_ones_judge_then_undeclared_ones_and_it_is_said(tmp_path):
    train, valid = replace(named_clip(0), split="train"), replace(named_clip(1), split="valid")
    test, undeclared = replace(named_clip(2), split="test"), named_clip(3)
    assert clips_to_test_on(ClipSet(tmp_path, (train, valid, test, undeclared))) == ((test,), None)
    tested, note = clips_to_test_on(ClipSet(tmp_path, (train, valid, undeclared)))
    assert tested == (valid,)
    assert note == "no clip is declared as test: the 1 valid clips take their place"
    tested, note = clips_to_test_on(ClipSet(tmp_path, (train, undeclared, made(4, "no"))))
    assert tested == (undeclared,)
    assert note is not None
    assert note.startswith("no clip is declared as test: the 2 without a split take their place; 1 synthetic")
    assert clips_to_test_on(ClipSet(tmp_path, (undeclared,))) == ((undeclared,), None)


def test_training_clips_alone_test_nothing(tmp_path):
    clips = tuple(replace(named_clip(number), split="train") for number in range(2))
    with pytest.raises(DataError, match=r"all 2 clips are declared as train.*speechtune split"):
        clips_to_test_on(ClipSet(tmp_path / "m.jsonl", clips), with_synthetic=True)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_no_synthetic_clip_can_be_of_valid_or_test(split):
    with pytest.raises(ManifestError, match=f"cannot be of the {split} split"):
        replace(made(1, "yes"), split=split)
    assert replace(made(1, "yes"), split="train").split == "train"


@pytest.mark.parametrize("name", ["m.jsonl", "m.csv"])
def test_a_manifest_that_tests_on_a_synthetic_clip_is_refused_by_its_line(tmp_path, name):
    make_folder(tmp_path, {"yes": 2})
    lines = {
        "m.jsonl": '{"path": "yes/0.wav", "label": "yes", "split": "test"}\n'
        '{"path": "yes/1.wav", "label": "yes", "split": "test", "synthetic": true}\n',
        "m.csv": "path,label,split,synthetic\nyes/1.wav,yes,test,true\n",
    }
    (tmp_path / name).write_text(lines[name])
    with pytest.raises(ManifestError, match=r"line 2: a synthetic clip of the test split"):
        load_clips(tmp_path / name)


def test_an_audiofolder_that_tests_on_a_synthetic_clip_is_refused_by_its_row(tmp_path):
    for split in ("train", "test"):
        make_folder(tmp_path / split, {"yes": 2, "no": 2})
        rows = [
            {"file_name": f"{label}/{number}.wav", "label": label, "synthetic": number}
            for label in ("yes", "no")
            for number in range(2)
        ]
        (tmp_path / split / "metadata.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(ManifestError, match=r"split 'test', row 1: is synthetic"):
        load_audiofolder(tmp_path)


def test_the_mark_survives_a_split_an_export_and_an_import(tmp_path):
    make_folder(tmp_path / "data", {"yes": 12, "no": 12})
    clips = [
        replace(clip, speaker=f"s{number % 12}", synthetic=number % 3 == 0)
        for number, clip in enumerate(load_clips(tmp_path / "data").clips)
    ]
    write_manifest(tmp_path / "data" / "manifest.jsonl", ClipSet(tmp_path / "data", tuple(clips)))
    split = str(tmp_path / "split.jsonl")
    assert run(["split", str(tmp_path / "data"), "--out", split, "--test", "0.3", "--valid", "0.2", "--seed", "3"]) == 0
    assert run(["export-clips", split, "--out", str(tmp_path / "folder")]) == 0
    assert run(["import-clips", str(tmp_path / "folder"), "--out", str(tmp_path / "again")]) == 0
    again = load_clips(tmp_path / "again")
    assert sum(clip.synthetic for clip in again.clips) == 8
    assert {clip.split for clip in again.clips if clip.synthetic} == {"train"}
    assert {clip.split for clip in again.clips} == {"train", "valid", "test"}


def test_no_recording_to_test_on_is_mixed_from_synthetic_commands(tmp_path, capsys):
    folder = make_folder(tmp_path / "data", {"yes": 2})
    clips = load_clips(folder).clips
    write_manifest(folder / "manifest.jsonl", ClipSet(folder, tuple(replace(clip, synthetic=True) for clip in clips)))
    write_audio(tmp_path / "talk" / "a.wav", np.zeros(16_000, dtype=np.float32))
    assert mix_stream([str(folder), str(tmp_path / "talk"), str(tmp_path / "out.flac")]) == 2
    assert "no commands that somebody recorded" in capsys.readouterr().err
    assert not (tmp_path / "out.flac").exists()
