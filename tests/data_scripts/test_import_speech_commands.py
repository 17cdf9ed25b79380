"""The importer of Google Speech Commands, on a small folder of its layout."""

import pytest

from data_scripts.import_speech_commands import main
from speechtune.data.loading import load_clips
from tests.support.clips import word_like, write_audio


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "speech_commands"
    names = ("0a7c2a8d_nohash_0", "0b40aa8e_nohash_0", "0b40aa8e_nohash_1")
    for number, (word, name) in enumerate((word, name) for word in ("yes", "bed") for name in names):
        write_audio(folder / word / f"{name}.wav", word_like(number, 1_000))
    write_audio(folder / "_background_noise_" / "hum.wav", word_like(9))
    (folder / "README.md").write_text("about")
    (folder / "validation_list.txt").write_text("yes/0a7c2a8d_nohash_0.wav\n")
    (folder / "testing_list.txt").write_text("bed/0b40aa8e_nohash_0.wav\nbed/0b40aa8e_nohash_1.wav\n")
    return folder


def test_the_official_lists_become_splits(archive, tmp_path, capsys):
    assert main([str(archive), "--out", str(tmp_path / "manifest.jsonl")]) == 0
    clip_set = load_clips(tmp_path / "manifest.jsonl")
    assert [clip.path.name for clip in clip_set.in_split("valid")] == ["0a7c2a8d_nohash_0.wav"]
    assert {clip.label for clip in clip_set.in_split("test")} == {"bed"}
    assert len(clip_set.in_split("train")) == 3
    assert clip_set.speakers == ("0a7c2a8d", "0b40aa8e")
    assert [path.name for path in clip_set.noise] == ["hum.wav"]
    assert "2 labels, 2 speakers, 3 train, 1 valid, 2 test" in capsys.readouterr().out


def test_a_folder_without_the_lists_is_refused(archive, tmp_path, capsys):
    (archive / "testing_list.txt").unlink()
    assert main([str(archive), "--out", str(tmp_path / "manifest.jsonl")]) == 2
    assert "testing_list.txt: cannot be read" in capsys.readouterr().err


def test_a_half_unpacked_archive_is_refused(archive, tmp_path, capsys):
    (archive / "bed" / "0b40aa8e_nohash_1.wav").unlink()
    assert main([str(archive), "--out", str(tmp_path / "manifest.jsonl")]) == 2
    assert "1 clips of its lists are not there, such as bed/0b40aa8e_nohash_1.wav" in capsys.readouterr().err
