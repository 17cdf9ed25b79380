"""Manifests: what is read, what is refused by file and line, what is written."""

import csv
import io
import json

import pytest

from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.manifest import load_manifest, write_manifest
from speechtune.errors import ManifestError
from tests.support.clips import word_like, write_audio


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav", "noise.wav"):
        write_audio(tmp_path / name, word_like(1, 2_000))
    return tmp_path


def jsonl(folder, *lines):
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def table(folder, text):
    path = folder / "clips.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_field_of_a_line_reaches_its_clip(folder):
    line = {
        "path": "a.wav", "label": "yes", "speaker": "ann", "session": "monday", "device": "phone", "room": "kitchen",
        "split": "train", "synthetic": True, "sha256": "0" * 64, "num_samples": 900, "start_sample": 100,
        "end_sample": 1000, "word": "yes", "id": "ann-1", "x_mood": "glad",
    }  # fmt: skip
    (clip,) = load_manifest(jsonl(folder, line)).clips
    fields = {name: value for name, value in line.items() if name not in ("path", "x_mood")}
    assert clip == Clip(path=folder / "a.wav", extra=(("x_mood", "glad"),), **fields)


def test_csv_says_the_same_as_jsonl(folder):
    text = "path,label,speaker,synthetic,start_sample,end_sample,x_mood\na.wav,yes,ann,true,5,900,glad\nb.wav,no,,,,,\n"
    first, second = load_manifest(table(folder, "\ufeff" + text)).clips
    assert first == Clip(
        folder / "a.wav", "yes", "ann", None, None, True, None, None, 5, 900, extra=(("x_mood", "glad"),)
    )
    assert second == Clip(folder / "b.wav", "no")


def test_noise_lines_are_noise_and_blank_lines_nothing(folder):
    lines = ({"path": "a.wav", "label": "yes"}, "", {"path": "noise.wav", "label": "_background_noise_"})
    clip_set = load_manifest(jsonl(folder, *lines))
    assert [clip.label for clip in clip_set.clips] == ["yes"]
    assert clip_set.noise == (folder / "noise.wav",)


def test_a_folder_with_a_manifest_is_read_by_it(folder):
    jsonl(folder, {"path": "a.wav", "label": "yes"})
    assert load_clips(folder).num_clips_per_label() == {"yes": 1}


def test_a_path_may_lead_out_of_the_folder_but_a_label_may_not(folder):
    (folder / "lists").mkdir()
    path = folder / "lists" / "manifest.jsonl"
    path.write_text('{"path": "../a.wav", "label": "yes"}\n{"path": "../b.wav", "label": "../x"}\n')
    with pytest.raises(ManifestError, match=r"manifest.jsonl, line 2: label '../x'"):
        load_manifest(path)
    path.write_text('{"path": "../a.wav", "label": "yes"}\n')
    assert load_manifest(path).clips[0].path.samefile(folder / "a.wav")


def test_speakers_may_come_from_a_pattern_where_the_manifest_has_none(folder):
    lines = ({"path": "a.wav", "label": "yes"}, {"path": "b.wav", "label": "yes", "speaker": "bob"})
    clip_set = load_manifest(jsonl(folder, *lines), speaker_pattern="([a-z])$")
    assert [clip.speaker for clip in clip_set.clips] == ["a", "bob"]


def test_one_pattern_fits_a_folder_and_a_manifest_of_it(folder):
    write_audio(folder / "yes" / "ann_1.wav", word_like(1, 2_000))
    pattern = r"^([a-z]+)_\d+$"
    assert load_manifest(jsonl(folder, {"path": "yes/ann_1.wav", "label": "yes"}), pattern).speakers == ("ann",)
    (folder / "manifest.jsonl").unlink()
    assert load_clips(folder, pattern).speakers == ("ann",)


GOOD = {"path": "a.wav", "label": "yes"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"path": "b.wav", "lab', "line 2: not one JSON object .*correct or remove the line"),
        ("[1, 2]", "line 2: line: Input should be an object"),
        ({"path": "b.wav"}, "line 2: label: Field required"),
        ({"label": "yes"}, "line 2: path: Field required"),
        (GOOD | {"path": "b.wav", "label": 5}, "line 2: label: Input should be a valid string"),
        (GOOD | {"path": "gone.wav"}, "line 2: there is no file 'gone.wav'"),
        (GOOD, "line 2: lists 'a.wav' again, first on line 1"),
        (GOOD | {"path": "b.wav", "speeker": "ann"}, "line 2: unknown field 'speeker'; known are path, label, speaker"),
        (GOOD | {"path": "b.wav", "x_age": 5}, "line 2: x_age: fields of one's own are text"),
        (GOOD | {"path": "b.wav", "split": "dev"}, "line 2: split: Input should be 'train', 'valid' or 'test'"),
        (GOOD | {"path": "b.wav", "sha256": "abc"}, "line 2: sha256"),
        (GOOD | {"path": "b.wav", "num_samples": 0}, "line 2: num_samples"),
        (GOOD | {"path": "b.wav", "start_sample": -1}, "line 2: start_sample"),
        (GOOD | {"path": "b.wav", "start_sample": 9, "end_sample": 9}, "line 2: end_sample 9 does not lie after"),
        (GOOD | {"path": "b.wav", "label": "_silent_"}, "line 2: label '_silent_' looks like a reserved one"),
        (
            {"path": "noise.wav", "label": "_background_noise_", "start_sample": 3},
            "line 2: background noise is whole files",
        ),
    ],
)
def test_a_broken_line_is_refused_by_file_and_line(folder, line, message):
    with pytest.raises(ManifestError, match=f"manifest.jsonl, {message}"):
        load_manifest(jsonl(folder, GOOD, line))


def test_a_line_cut_short_by_a_crash_is_refused_by_its_number(folder):
    path = jsonl(folder, GOOD)
    path.write_text(path.read_text() + '{"path": "b.wav", "la')
    with pytest.raises(ManifestError, match=r"manifest.jsonl, line 2: not one JSON object"):
        load_manifest(path)


def test_text_that_is_not_utf8_is_refused_by_its_line(folder):
    path = folder / "manifest.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"path": "b.wav", "label": "\xff"}\n')
    with pytest.raises(ManifestError, match=r"manifest.jsonl, line 2: not UTF-8"):
        load_manifest(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.wav,yes\n", "line 1: the header lacks path"),
        ("path,label,label\na.wav,yes,no\n", "line 1: the header names a column twice"),
        ("path,label\na.wav\n", "line 2: has 1 cells, the header has 2"),
        ("path,label\na.wav,yes,no\n", "line 2: has 3 cells, the header has 2"),
        ("path,label\na.wav,yes\nb.wav,\n", "line 3: label: Field required"),
        ("path,label,synthetic\na.wav,yes,perhaps\n", "line 2: synthetic"),
        ('path,label\na.wav,"yes" no\n', "line 2: not CSV"),
        ("path,label,mood\na.wav,yes,glad\n", "line 2: unknown field 'mood'"),
    ],
)
def test_a_broken_table_is_refused_by_file_and_line(folder, text, message):
    with pytest.raises(ManifestError, match=f"clips.csv, {message}"):
        load_manifest(table(folder, text))


@pytest.mark.parametrize("name", ["manifest.jsonl", "clips.csv"])
def test_an_empty_manifest_is_refused(folder, name):
    (folder / name).write_text("")
    with pytest.raises(ManifestError, match=f"{name}: lists no clips"):
        load_manifest(folder / name)


def test_a_manifest_that_is_not_there_is_refused(folder):
    with pytest.raises(ManifestError, match=r"gone.jsonl: cannot be read"):
        load_clips(folder / "gone.jsonl")


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_what_is_written_reads_back_the_same(folder, name):
    clips = (
        Clip(
            *(folder / "a.wav", "lights on", "ann", "s1", "test", False, "0" * 64, 77, 3, 80),
            *(folder.parent / "day.wav", "on", "phone", "hall", "i1"),
        ),
        Clip(folder / "b.wav", "größe", synthetic=True, extra=(("x_mood", 'glad, "very"'),)),
    )
    written = ClipSet(folder, clips, (folder / "noise.wav",))
    write_manifest(folder / name, written)
    read = load_manifest(folder / name)
    assert read.clips == clips
    assert read.noise == written.noise


def test_a_manifest_is_written_whole_or_not_at_all(folder):
    path = folder / "manifest.jsonl"
    write_manifest(path, ClipSet(folder, (Clip(folder / "a.wav", "yes"),)))
    before = path.read_text()
    with pytest.raises(TypeError):
        write_manifest(path, ClipSet(folder, (Clip(folder / "a.wav", b"yes"),)))  # what json cannot write
    assert path.read_text() == before
    assert sorted(entry.name for entry in folder.iterdir()) == ["a.wav", "b.wav", "manifest.jsonl", "noise.wav"]


def test_a_manifest_of_another_suffix_is_refused(folder):
    with pytest.raises(ManifestError, match=r"ends in .jsonl or .csv"):
        write_manifest(folder / "manifest.xlsx", ClipSet(folder, (Clip(folder / "a.wav", "yes"),)))


def test_a_manifest_in_a_folder_that_is_not_there_is_refused(folder):
    with pytest.raises(ManifestError, match=r"cannot be written"):
        write_manifest(folder / "no" / "manifest.jsonl", ClipSet(folder, (Clip(folder / "a.wav", "yes"),)))


def test_a_hundred_thousand_lines_are_read(folder):
    line = '{"path": "a.wav", "label": "yes", "speaker": "s%d", "start_sample": %d, "end_sample": %d}\n'
    path = folder / "manifest.jsonl"
    path.write_text("".join(line % (number % 97, number, number + 1) for number in range(100_000)))
    assert len(load_manifest(path).clips) == 100_000


@pytest.mark.parametrize("text", ["=1+1", "+49", "-cmd|calc", "@SUM(A1)", "\tx", "'=quoted", "''@x", "it's", "'plain'"])
def test_no_cell_of_csv_is_a_formula_to_who_opens_it_and_all_are_read_back_as_they_were(folder, text):
    clip = Clip(folder / "a.wav", "yes", speaker=text, session=text, start_sample=5, extra=(("x_mood", text),))
    write_manifest(folder / "out.csv", ClipSet(folder, (clip,)))
    written = (folder / "out.csv").read_text(encoding="utf-8")
    for line in csv.reader(io.StringIO(written)):
        assert not [cell for cell in line if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    (read,) = load_manifest(folder / "out.csv").clips
    assert (read.speaker, read.session, read.start_sample) == (text, text, 5)
    assert read.extra == clip.extra
