"""Importers on small folders of the true layouts, and the export."""

import numpy as np
import pytest

from data_scripts import (
    import_common_voice,
    import_fsdd,
    import_long_recordings,
    import_mswc,
)
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips
from tests.support.clips import word_like, write_audio
from tests.support.speech import SPEECH_FOLDER, needs_speech


def test_free_spoken_digits_have_words_speakers_and_the_official_test(tmp_path, capsys):
    for name in ("7_jackson_0", "7_jackson_5", "0_theo_4", "0_theo_49"):
        write_audio(tmp_path / "recordings" / f"{name}.wav", word_like(1, 2_000), 8_000)
    (tmp_path / "recordings" / "README.txt").write_text("about")
    assert import_fsdd.main([str(tmp_path), "--out", str(tmp_path / "m.jsonl")]) == 0
    loaded = load_clips(tmp_path / "m.jsonl")
    assert loaded.num_clips_per_label() == {"seven": 2, "zero": 2}
    assert {clip.path.stem for clip in loaded.in_split("test")} == {"7_jackson_0", "0_theo_4"}
    assert loaded.speakers == ("jackson", "theo")
    assert "nothing can be claimed" in capsys.readouterr().out
    assert import_fsdd.main([str(tmp_path / "no"), "--out", str(tmp_path / "m.jsonl")]) == 2


@needs_speech
def test_the_real_digits_import_in_their_own_layout(tmp_path):
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for path in sorted((SPEECH_FOLDER / "fsdd").glob("[01]/*.flac")):
        speaker, take = path.stem.split("_")
        (recordings / f"{path.parent.name}_{speaker}_{take}.flac").symlink_to(path)
    assert import_fsdd.main([str(tmp_path), "--out", str(tmp_path / "m.jsonl")]) == 0
    loaded = load_clips(tmp_path / "m.jsonl")
    assert len(loaded.clips) == 600
    assert len(loaded.in_split("test")) == 60
    assert len(loaded.speakers) == 6


def mswc(folder, rows):
    for row in rows:
        link = row.split(",")[1]
        if "missing" not in link:
            path = folder / "clips" / link
            path.parent.mkdir(parents=True, exist_ok=True)
            write_audio(path.with_suffix(".wav"), word_like(1, 2_000)).rename(path)
    (folder / "de_splits.csv").write_text("\n".join(["SET,LINK,WORD,VALID,SPEAKER,GENDER", *rows]) + "\n")
    return folder


def test_spoken_words_keep_their_splits_and_leave_out_what_is_invalid(tmp_path, capsys):
    rows = [
        "TRAIN,ja/a.opus,ja,True,s1,MALE",
        "DEV,ja/b.opus,ja,True,s2,OTHER",
        "TEST,nein/c.opus,nein,True,s3,NAN",
        "TRAIN,nein/d.opus,nein,False,s1,MALE",
        "TRAIN,ja/missing.opus,ja,True,s1,MALE",
        "TRAIN,doch/e.opus,doch,True,s1,MALE",
    ]
    folder, out = mswc(tmp_path / "de", rows), tmp_path / "m.jsonl"
    arguments = [str(folder), "--language", "de", "--words", "ja,nein", "--out", str(out)]
    assert import_mswc.main(arguments) == 0
    told = capsys.readouterr().out
    assert "3 clips, 2 labels, 3 speakers, 1 train, 1 valid, 1 test" in told
    assert "1 clips that the corpus calls invalid" in told
    assert "1 clips that are listed and not there" in told
    assert {clip.label for clip in load_clips(out).clips} == {"ja", "nein"}
    assert import_mswc.main([str(folder), "--language", "fr", "--out", str(out)]) == 2
    assert "fr_splits.csv: cannot be read" in capsys.readouterr().err


def test_of_common_voice_the_single_words_are_taken(tmp_path, capsys):
    rows = [("c1", "a.mp3", "Yes."), ("c2", "b.mp3", "yes"), ("c1", "c.mp3", "oh no"), ("c3", "d.mp3", '"Zero"')]
    for _, path, _ in rows:
        (tmp_path / "clips").mkdir(exist_ok=True)
        write_audio(tmp_path / "clips" / "x.wav", word_like(1, 2_000)).rename(tmp_path / "clips" / path)
    table = "\n".join("\t".join(row) for row in [("client_id", "path", "sentence"), *rows])
    (tmp_path / "test.tsv").write_text(table + "\n")
    out = tmp_path / "m.jsonl"
    assert import_common_voice.main([str(tmp_path), "--table", "test.tsv", "--out", str(out)]) == 0
    loaded = load_clips(out)
    assert loaded.num_clips_per_label() == {"yes": 2, "zero": 1}
    assert loaded.speakers == ("c1", "c2", "c3")
    assert len(loaded.in_split("test")) == 3
    assert import_common_voice.main([str(tmp_path), "--out", str(out)]) == 2
    assert "validated.tsv: cannot be read" in capsys.readouterr().err


TEXT_GRID = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 3
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 3
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = ""
        intervals [2]:
            xmin = 1.5
            xmax = 2.25
            text = "lights ""on"""
        intervals [3]:
            xmin = 2.25
            xmax = 3
            text = ""
    item [2]:
        class = "IntervalTier"
        name = "notes"
        xmin = 0
        xmax = 3
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 3
            text = "take"
'''


def test_stretches_come_from_label_tracks_and_text_grids(tmp_path):
    for seed, name in enumerate(("ann_1", "bob_2", "unlabelled")):
        write_audio(tmp_path / f"{name}.wav", word_like(seed, 48_000))
    (tmp_path / "ann_1.txt").write_text("0,5\t1.25\tyes\n\\\t100\t2000\n1.5\t1.5\tpoint\n2.0\t2.5\tno\n")
    (tmp_path / "bob_2.TextGrid").write_bytes(TEXT_GRID.encode("utf-16"))
    out = tmp_path / "m.jsonl"
    assert import_long_recordings.main([str(tmp_path), "--out", str(out), "--speaker-pattern", "^([a-z]+)_"]) == 0
    clips = load_clips(out).clips
    assert [(clip.label, clip.stretch, clip.speaker, clip.session) for clip in clips] == [
        ("yes", (8_000, 20_000), "ann", "ann_1"),
        ("no", (32_000, 40_000), "ann", "ann_1"),
        ('lights "on"', (24_000, 36_000), "bob", "bob_2"),
    ]
    assert np.allclose(read_clip(clips[0]), word_like(0, 48_000)[8_000:20_000], atol=1e-4)
    tier = ["--tier", "notes"]
    assert import_long_recordings.main([str(tmp_path), "--out", str(out), *tier]) == 0
    assert load_clips(out).clips[-1].stretch == (0, 48_000)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "yes\t1\t2\n", "line 1: not start, end and label"),
        ("a.txt", "1\t2\t../x\n", "may not start with a dot"),
        ("a.TextGrid", "nothing", "not a TextGrid in its long form"),
        ("b.txt", "1\t2\tyes\n", "none of 1 recordings has labels"),
        ("a.txt", "nan\t2\tyes\n", "line 1: not start, end and label"),
        ("a.txt", "0\tinf\tyes\n", "line 1: not start, end and label"),
        ("a.txt", "0.1\t0.9\tyes\n", "beyond the end of a.wav, which is 0.75 s long"),
        ("a.txt", "8\t9\tyes\n", "beyond the end of a.wav"),
    ],
)
def test_labels_that_are_not_of_their_form_are_refused(tmp_path, capsys, name, text, message):
    write_audio(tmp_path / "a.wav", word_like(1))
    (tmp_path / name).write_text(text)
    assert import_long_recordings.main([str(tmp_path), "--out", str(tmp_path / "m.jsonl")]) == 2
    assert message in capsys.readouterr().err


def test_a_label_may_end_a_rounding_after_its_recording_but_no_recording_may_be_no_audio(tmp_path, capsys):
    write_audio(tmp_path / "a.wav", word_like(1))
    (tmp_path / "a.txt").write_text("0.25\t0.755\tyes\n")
    out = tmp_path / "m.jsonl"
    assert import_long_recordings.main([str(tmp_path), "--out", str(out)]) == 0
    (clip,) = load_clips(out).clips
    assert clip.stretch == (4_000, 12_000)
    assert len(read_clip(clip)) == 8_000
    (tmp_path / "a.wav").write_text("no audio")
    assert import_long_recordings.main([str(tmp_path), "--out", str(tmp_path / "other.jsonl")]) == 2
    assert "a.wav: not readable as audio" in capsys.readouterr().err
    assert not (tmp_path / "other.jsonl").exists()


def test_a_table_that_names_files_outside_of_its_data_set_is_refused(tmp_path, capsys):
    (tmp_path / "clips").mkdir()
    out = str(tmp_path / "m.jsonl")
    for name in ("../secret.wav", str(tmp_path / "secret.wav")):
        (tmp_path / "validated.tsv").write_text(f"client_id\tpath\tsentence\nc1\t{name}\tyes\n")
        assert import_common_voice.main([str(tmp_path), "--out", out]) == 2
        assert "validated.tsv, line 2: names" in capsys.readouterr().err
        (tmp_path / "en_splits.csv").write_text(f"SET,LINK,WORD,VALID,SPEAKER\nTRAIN,{name},yes,True,c1\n")
        assert import_mswc.main([str(tmp_path), "--language", "en", "--out", out]) == 2
        assert "en_splits.csv, line 2: names" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["m.txt", "file/m.jsonl"])
def test_a_place_where_no_manifest_can_be_is_refused_in_one_line(tmp_path, capsys, out):
    (tmp_path / "file").touch()
    write_audio(tmp_path / "clone" / "recordings" / "7_ann_9.wav", word_like(1))
    assert import_fsdd.main([str(tmp_path / "clone"), "--out", str(tmp_path / out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("import_fsdd: ")
