"""Folders of systems, pipes, sockets and devices beside the clips: named, passed over, and never opened."""

from __future__ import annotations

import os
import socket

import pytest

from speechtune.audio.files import read_audio
from speechtune.data.clips import Clip, ClipSet, content_hash
from speechtune.data.inspection import inspect_clips
from speechtune.data.loading import load_clips, load_negatives, load_noise
from speechtune.errors import CheckpointCorruptError, ManifestError, UnreadableAudioError
from speechtune.evaluation.recordings import find_recordings
from speechtune.models.checkpoint_files import read_summary
from tests.support.clips import make_folder, word_like, write_audio

SYSTEMS = ["__MACOSX", "@eaDir", "System Volume Information", ".Trashes", "$RECYCLE.BIN", "lost+found"]

pytestmark = pytest.mark.timeout(20)


def make_socket(path, monkeypatch):
    monkeypatch.chdir(path.parent)  # the name of a socket may be no longer than a hundred bytes
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_systems_folders_are_no_labels(name, tmp_path):
    make_folder(tmp_path, {"yes": 2, "no": 2})
    write_audio(tmp_path / name / "x.wav", word_like(1, 2_000))
    write_audio(tmp_path / "yes" / name / "y.wav", word_like(1, 2_000))
    clips = load_clips(tmp_path)
    assert clips.labels == ("no", "yes")
    assert len(clips.clips) == 4
    assert any(name in note for note in clips.notes) is not name.startswith(".")
    assert len(find_recordings(tmp_path)) == 4
    assert len(load_noise(tmp_path)) == 4


def test_pipes_sockets_and_devices_are_named_and_never_opened(tmp_path, monkeypatch):
    make_folder(tmp_path, {"yes": 2, "no": 2})
    os.mkfifo(tmp_path / "yes" / "pipe.wav")
    make_socket(tmp_path / "no" / "socket.wav", monkeypatch)
    (tmp_path / "no" / "device.wav").symlink_to("/dev/zero")
    clips = load_clips(tmp_path)
    assert len(clips.clips) == 4
    said = "no ordinary files: device.wav (a device), pipe.wav (a pipe), socket.wav (a socket)"
    assert any(said in note for note in clips.notes)
    assert len(find_recordings(tmp_path)) == 4


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_one_that_is_named_outright_is_refused_by_what_it_is(kind, tmp_path):
    path = tmp_path / "x.wav"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for read in (read_audio, content_hash):
        with pytest.raises(UnreadableAudioError, match=rf"x\.wav: .*it is a {kind}, not an ordinary file"):
            read(path)
    (report,) = inspect_clips(ClipSet(tmp_path, (Clip(path, "yes"),))).clips
    assert report.findings[0].kind == "unreadable"
    (tmp_path / "m.csv").write_text("path,label\nx.wav,yes\n")
    with pytest.raises(ManifestError, match=rf"line 2: a {kind} and no file is 'x\.wav'"):
        load_clips(tmp_path / "m.csv")


def test_a_folder_of_nothing_else_says_so(tmp_path):
    (tmp_path / "yes").mkdir()
    os.mkfifo(tmp_path / "yes" / "pipe.wav")
    for load in (load_clips, load_negatives):
        with pytest.raises(ManifestError, match=r"'yes' has no clips, and 1 that are no ordinary files"):
            load(tmp_path)


@pytest.mark.parametrize("name", ["checkpoint.json", "weights.safetensors"])
def test_a_checkpoint_with_a_pipe_for_a_file_is_refused_at_once(name, tmp_path):
    from speechtune.models.checkpoint import save_checkpoint
    from tests.support.encoders import random_checkpoint

    save_checkpoint(random_checkpoint(), tmp_path / "model")
    path = tmp_path / "model" / name
    assert path.is_file()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(CheckpointCorruptError, match="a pipe, not an ordinary file"):
        read_summary(tmp_path / "model")
