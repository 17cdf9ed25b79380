"""Exchange with Hugging Face `datasets`, offline and without FFmpeg."""

import json
from dataclasses import replace

import numpy as np
import pytest

from speechtune.data.sets.clips import Clip, ClipSet, fingerprint, read_clip
from speechtune.data.sets.exchange import Columns, clips_from_datasets, load_audiofolder, write_audiofolder
from speechtune.data.sets.folders import load_folder
from speechtune.errors import ConfigError, ManifestError
from tests.support.clips import make_folder, word_like, write_audio

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
