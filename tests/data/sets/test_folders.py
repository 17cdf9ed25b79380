"""Folder-per-label data sets, the good and the broken."""

import os

import pytest

from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.folders import load_folder
from speechtune.data.sets.loading import load_clips, load_negatives, load_noise
from speechtune.errors import ConfigError, ManifestError
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.speech import SPEECH_FOLDER, needs_speech


def test_each_folder_is_a_label(tmp_path):
    clip_set = load_folder(make_folder(tmp_path, {"yes": 2, "lights on": 1}))
    assert clip_set.num_clips_per_label() == {"lights on": 1, "yes": 2}
    assert [clip.path.name for clip in clip_set.with_label("yes")] == ["0.wav", "1.wav"]


def test_reserved_folders_keep_their_meaning(tmp_path):
    clip_set = load_folder(make_folder(tmp_path, {"yes": 1, "_unknown_": 2, "_silence_": 1, "_background_noise_": 2}))
    assert clip_set.num_clips_per_label() == {"_silence_": 1, "_unknown_": 2, "yes": 1}
    assert [path.name for path in clip_set.noise] == ["0.wav", "1.wav"]


def test_hidden_files_and_other_kinds_are_left_out_and_counted(tmp_path):
    make_folder(tmp_path, {"yes": 1})
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "yes" / "notes.txt").write_text("about")
    (tmp_path / "yes" / ".0.wav").write_bytes(b"")
    (tmp_path / ".cache").mkdir()
    write_audio(tmp_path / "stray.wav", word_like(9))
    clip_set = load_folder(tmp_path)
    assert [clip.path.name for clip in clip_set.clips] == ["0.wav"]
    assert "left out: 3 files (1 × .md, 1 × .txt, 1 × .wav)" in clip_set.notes


def test_what_lies_deeper_belongs_to_the_label_and_its_folder_may_be_the_speaker(tmp_path):
    for speaker in ("ann", "bob"):
        write_audio(tmp_path / "yes" / speaker / "1.wav", word_like(1))
    clip_set = load_folder(tmp_path, speaker_pattern=r"^([^/]+)/")
    assert [clip.speaker for clip in clip_set.clips] == ["ann", "bob"]


def test_speech_commands_names_are_recognised_and_reported(tmp_path):
    write_audio(tmp_path / "yes" / "0a7c2a8d_nohash_0.wav", word_like(1))
    write_audio(tmp_path / "_unknown_" / "bed_0b40aa8e_nohash_1.wav", word_like(2))
    write_audio(tmp_path / "_silence_" / "1024.wav", word_like(3))
    clip_set = load_folder(tmp_path)
    assert clip_set.speakers == ("0a7c2a8d", "0b40aa8e")
    assert clip_set.with_label("_unknown_")[0].word == "bed"
    assert clip_set.with_label("yes")[0].word is None
    assert clip_set.notes == ("speakers of 2 clips are read off Speech Commands file names",)


def test_clips_that_the_pattern_does_not_match_have_no_speaker_and_are_counted(tmp_path):
    for name in ("ann_1", "bob_1", "mystery"):
        write_audio(tmp_path / "yes" / f"{name}.wav", word_like(1))
    clip_set = load_folder(tmp_path, speaker_pattern=r"^(?P<speaker>[a-z]+)_\d+$")
    assert [clip.speaker for clip in clip_set.clips] == ["ann", "bob", None]
    assert clip_set.num_without_speaker == 1
    assert "1 of 3 clips have no known speaker" in clip_set.notes


def test_the_group_named_speaker_comes_before_the_first_one(tmp_path):
    write_audio(tmp_path / "yes" / "take1_ann.wav", word_like(1))
    assert load_folder(tmp_path, speaker_pattern=r"(take\d)_(?P<speaker>\w+)").speakers == ("ann",)


def test_a_pattern_that_matches_no_file_is_refused_with_an_example(tmp_path):
    make_folder(tmp_path, {"yes": 2})
    with pytest.raises(ConfigError, match=r"matches none of 2 file names, such as '0'"):
        load_folder(tmp_path, speaker_pattern="^([a-z]+)_")


@pytest.mark.parametrize(("pattern", "message"), [("([a-z", "not a regular expression"), ("[a-z]+_", "in a group")])
def test_a_pattern_of_no_use_is_refused(tmp_path, pattern, message):
    make_folder(tmp_path, {"yes": 1})
    with pytest.raises(ConfigError, match=message):
        load_folder(tmp_path, speaker_pattern=pattern)


def test_an_empty_folder_is_refused_with_the_layout(tmp_path):
    with pytest.raises(ManifestError, match=r"holds no label folders; put the clips of each command in a folder"):
        load_clips(tmp_path)


def test_audio_without_label_folders_is_refused_and_said(tmp_path):
    write_audio(tmp_path / "1.wav", word_like(1))
    with pytest.raises(ManifestError, match=r"holds no label folders \(1 × .wav\)"):
        load_clips(tmp_path)


def test_a_label_without_clips_is_refused_by_name(tmp_path):
    make_folder(tmp_path, {"yes": 1})
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "clip.docx").write_bytes(b"x")
    with pytest.raises(ManifestError, match=r"label 'no' has no clips \(1 × .docx\); add some or remove it"):
        load_clips(tmp_path)


def test_a_folder_of_noise_alone_is_refused(tmp_path):
    make_folder(tmp_path, {"_background_noise_": 1})
    with pytest.raises(ManifestError, match=r"background noise and no clips"):
        load_clips(tmp_path)


def test_a_folder_that_only_looks_reserved_is_refused(tmp_path):
    make_folder(tmp_path, {"yes": 1, "_background_noises_": 1})
    with pytest.raises(ManifestError, match=r"looks like a reserved one"):
        load_clips(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"nothing: is not there"):
        load_clips(tmp_path / "nothing")


def test_a_file_that_is_no_manifest_is_refused(tmp_path):
    path = write_audio(tmp_path / "1.wav", word_like(1))
    with pytest.raises(ManifestError, match=r"neither a folder nor a manifest"):
        load_clips(path)


@pytest.mark.parametrize("forbidden", ["data", "yes"])
def test_a_folder_that_may_not_be_read_is_an_error_and_not_an_empty_folder(tmp_path, monkeypatch, forbidden):
    data = make_folder(tmp_path / "data", {"yes": 1})
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == forbidden:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", lambda path: [entry.name for entry in refuse(path)])
    with pytest.raises(ManifestError, match=rf"{forbidden}: cannot be read \(Permission denied\)"):
        load_folder(data)


def test_a_folder_name_that_is_no_text_is_refused(tmp_path):
    make_folder(tmp_path, {"yes": 1})
    os.rename(os.fsencode(tmp_path / "yes"), os.fsencode(tmp_path) + b"/y\xff")
    with pytest.raises(ManifestError, match="is not Unicode text"):
        load_folder(tmp_path)


def test_one_clip_is_a_data_set(tmp_path):
    assert len(load_clips(make_folder(tmp_path, {"yes": 1})).clips) == 1


def test_a_folder_of_bare_recordings_is_negatives_of_one_kind(tmp_path):
    write_audio(tmp_path / "a.wav", word_like(1))
    write_audio(tmp_path / "deeper" / "b.wav", word_like(2))
    assert [clip.label for clip in load_negatives(tmp_path).clips] == ["_unknown_", "_unknown_"]


def test_negatives_in_label_folders_keep_their_words(tmp_path):
    assert load_negatives(make_folder(tmp_path, {"cat": 1, "dog": 1})).labels == ("cat", "dog")


def test_a_noise_folder_is_listed_and_an_empty_one_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"holds no audio files"):
        load_noise(tmp_path)
    write_audio(tmp_path / "hum.wav", word_like(1))
    assert [path.name for path in load_noise(tmp_path)] == ["hum.wav"]


@needs_speech
def test_the_real_pool_has_its_thirty_words_and_41_speakers():
    clip_set = load_clips(SPEECH_FOLDER / "speech_commands_fewshot")
    assert set(clip_set.num_clips_per_label().values()) == {10}
    assert len(clip_set.labels) == 30
    assert len(clip_set.speakers) == 41
    assert clip_set.num_without_speaker == 0
    assert len(read_clip(clip_set.clips[0])) > 8_000


@needs_speech
def test_the_real_digits_take_their_speakers_from_a_pattern():
    clip_set = load_clips(SPEECH_FOLDER / "fsdd", speaker_pattern=r"^([a-z]+)_\d+$")
    assert len(clip_set.speakers) == 6
    assert clip_set.num_without_speaker == 0
