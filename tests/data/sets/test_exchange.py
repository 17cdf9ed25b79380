"""Exchange with Hugging Face `datasets`, offline and without FFmpeg."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speechtune.cli.app import run
from speechtune.data.sets.clips import Clip, ClipSet, fingerprint, read_clip
from speechtune.data.sets.exchange import (
    Columns,
    clips_from_datasets,
    load_audiofolder,
    load_dataset,
    write_audiofolder,
)
from speechtune.data.sets.folders import load_folder
from speechtune.data.sets.loading import load_clips
from speechtune.errors import ConfigError, ManifestError
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.processes import run_python

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def test_a_folder_of_label_folders_is_read_as_we_read_it(tmp_path):
    folder = make_folder(tmp_path / "data", {"yes": 2, "no": 3})
    through_datasets = load_audiofolder(folder)
    assert through_datasets.num_clips_per_label() == {"no": 3, "yes": 2}
    assert fingerprint(through_datasets) == fingerprint(load_folder(folder))
    assert {clip.split for clip in through_datasets.clips} == {None}


def test_what_is_written_comes_back_with_splits_and_speakers(tmp_path):
    data = load_folder(make_folder(tmp_path / "data", {"yes": 3, "lights on": 3}))
    sides, speakers = ("train", "valid", "test") * 2, ("ann", None, "bob") * 2
    clips = [
        replace(clip, split=side, speaker=who, synthetic=who == "ann")
        for clip, side, who in zip(data.clips, sides, speakers, strict=True)
    ]
    write_audiofolder(data.with_clips(clips), tmp_path / "out")
    back = load_audiofolder(tmp_path / "out")

    def told(clip: Clip) -> tuple[object, ...]:
        return clip.label, clip.split, clip.speaker, clip.synthetic, read_clip(clip).tobytes()

    assert {told(clip) for clip in back.clips} == {told(clip) for clip in clips}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_audio_that_lies_in_the_table_is_written_out(tmp_path):
    path = write_audio(tmp_path / "src.wav", word_like(1))
    table = datasets.Dataset.from_dict(
        {"clip": [{"bytes": path.read_bytes(), "path": "a.wav"}], "word": ["yes"], "who": ["ann"], "age": [30]},
        features=datasets.Features(
            {
                "clip": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
                "word": datasets.ClassLabel(names=["no", "yes"]),
                "who": datasets.Value("string"),
                "age": datasets.Value("int32"),
            }
        ),
    )
    clip_set = clips_from_datasets(table, tmp_path / "out", Columns(audio="clip", label="word", speaker="who"))
    (clip,) = clip_set.clips
    assert (clip.label, clip.speaker, clip.word) == ("yes", "ann", None)
    assert clip.path.is_relative_to(tmp_path / "out")
    assert np.array_equal(read_clip(clip), read_clip(Clip(path, "yes")))
    assert clip_set.notes == ("columns left out: age",)


def test_a_folder_without_labels_is_refused(tmp_path):
    write_audio(tmp_path / "data" / "1.wav", word_like(1))
    with pytest.raises(ManifestError, match="has no column 'label', only audio"):
        load_audiofolder(tmp_path / "data")


def test_what_datasets_cannot_read_is_refused_by_folder(tmp_path):
    with pytest.raises(ManifestError, match="is not a folder"):
        load_audiofolder(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="empty: not an audiofolder that `datasets` reads"):
        load_audiofolder(tmp_path / "empty")


def test_an_impossible_label_is_refused_by_row(tmp_path):
    write_audio(tmp_path / "data" / "1.wav", word_like(1))
    (tmp_path / "data" / "metadata.jsonl").write_text(json.dumps({"file_name": "1.wav", "label": "../x"}) + "\n")
    with pytest.raises(ManifestError, match=r"split 'train', row 0: label '../x'"):
        load_audiofolder(tmp_path / "data")


def test_an_audiofolder_is_written_whole_or_not_at_all(tmp_path):
    data = load_folder(make_folder(tmp_path / "data", {"yes": 2}))
    data.clips[1].path.unlink()
    with pytest.raises(ManifestError, match=r"1.wav: cannot be made or copied"):
        write_audiofolder(data, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_folder_that_exists_and_a_stretch_are_refused(tmp_path):
    data = load_folder(make_folder(tmp_path / "data", {"yes": 1}))
    with pytest.raises(ConfigError, match="exists; name a new folder"):
        write_audiofolder(data, tmp_path / "data")
    stretch = Clip(data.clips[0].path, "yes", start_sample=0, end_sample=100)
    with pytest.raises(ConfigError, match="is a stretch"):
        write_audiofolder(ClipSet(tmp_path, (stretch,)), tmp_path / "out")


def test_an_exported_audiofolder_is_imported_again(tmp_path, capsys):
    data = make_folder(tmp_path / "data", {"yes": 2, "no": 1})
    out = tmp_path / "folder"
    assert run(["export-clips", str(data), "--out", str(out), "--speaker-pattern", r"(\d)$"]) == 0
    assert run(["import-clips", str(out), "--out", str(tmp_path / "again")]) == 0
    assert capsys.readouterr().out.endswith("manifest.jsonl: 3 clips, 2 labels, 2 speakers\n")
    again = load_clips(tmp_path / "again")
    assert again.num_clips_per_label() == {"no": 1, "yes": 2}
    assert again.speakers == ("0", "1")
    assert run(["export-clips", str(data), "--out", str(out)]) == 2
    assert "exists" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert run(["import-clips", str(out), "--out", str(tmp_path / "file")]) == 2
    assert "is a file); name a folder" in capsys.readouterr().err


_LOAD = """
    import sys, types, datasets
    # What is loaded is paths; the package is asked for, and nothing is encoded with it.
    codec = types.ModuleType("torchcodec.encoders")
    codec.AudioEncoder = None
    sys.modules |= {"torchcodec": types.ModuleType("torchcodec"), "torchcodec.encoders": codec}
    loaded = datasets.load_dataset(sys.argv[1]).cast_column("audio", datasets.Audio(decode=False))
    for split, part in loaded.items():
        for row in part:
            print(split, row["label"], row["speaker"], row["audio"]["path"], sep="|")
"""


def test_datasets_itself_loads_what_is_written(tmp_path):
    data = load_folder(make_folder(tmp_path / "data", {"lights on": 3}))
    sides = ("train", "valid", "test")
    clips = [replace(clip, split=side, speaker="ann") for clip, side in zip(data.clips, sides, strict=True)]
    write_audiofolder(data.with_clips(clips), tmp_path / "out")
    rows = run_python(
        _LOAD, arguments=[str(tmp_path / "out")], HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home")
    ).splitlines()
    told = [row.split("|") for row in rows]
    assert [row[:3] for row in told] == [[name, "lights on", "ann"] for name in ("train", "validation", "test")]
    for row, clip in zip(told, clips, strict=True):
        assert np.array_equal(read_clip(Clip(Path(row[3]), "x")), read_clip(clip))
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\ntask_categories:\n- audio-classification\n")
    assert "3 clips of 1 known speakers" in card


def table_in_memory(tmp_path):
    path = write_audio(tmp_path / "src.wav", word_like(1))
    return datasets.Dataset.from_dict(
        {"audio": [{"bytes": path.read_bytes(), "path": "a.wav"}] * 2, "label": ["yes", "no"]},
        features=datasets.Features(
            {
                "audio": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
                "label": datasets.Value("string"),
            }
        ),
    ), read_clip(Clip(path, "yes"))


@pytest.mark.parametrize("form", ["saved", "saved with splits", "parquet"])
def test_a_folder_of_tables_is_read(tmp_path, form):
    table, samples = table_in_memory(tmp_path)
    folder = tmp_path / "table"
    if form == "saved":
        table.save_to_disk(str(folder))
    elif form == "saved with splits":
        datasets.DatasetDict({"train": table, "test": table}).save_to_disk(str(folder))
    else:
        for split in ("train", "test"):
            table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    clip_set = load_dataset(str(folder), tmp_path / "out")
    shutil.rmtree(folder)
    sides = {None} if form == "saved" else {"train", "test"}
    assert {(clip.label, clip.split) for clip in clip_set.clips} == {
        (label, side) for label in ("yes", "no") for side in sides
    }
    assert all(np.array_equal(read_clip(clip), samples) for clip in clip_set.clips)


def test_a_table_whose_audio_lies_elsewhere_is_refused_by_row(tmp_path):
    table = datasets.Dataset.from_dict({"audio": ["/gone/1.wav"], "label": ["yes"]})
    table = table.cast_column("audio", datasets.Value("string"))
    as_paths = table.map(lambda row: {"audio": {"bytes": None, "path": row["audio"]}})
    with pytest.raises(ManifestError, match=r"row 0: its audio /gone/1.wav is not here"):
        clips_from_datasets(as_paths, tmp_path / "out")


def test_what_is_neither_a_folder_nor_an_id_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"no such thing: neither a folder here nor a data set"):
        load_dataset("no such thing", tmp_path)
