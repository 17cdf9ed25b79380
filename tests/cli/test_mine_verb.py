"""`speechtune mine`: from a room's sound to negatives, through review and fine-tuning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speechtune.cli.app import run
from speechtune.data.sets.loading import load_clips, load_negatives
from speechtune.evaluation.streams.truth import write_truth
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.streaming.voice import activity
from speechtune_server.hits.files import read_hits
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint, save_random_model
from tests.support.streaming import LoudnessActivity

EVERYTHING = ["--margin", "60"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(random_checkpoint(thresholds={"yes": 0.6, "no": 0.6}), tmp_path / "ckpt")
    return tmp_path / "ckpt"


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(activity, "SileroActivity", LoudnessActivity)  # no voice in what tests synthesise
    gap = np.zeros(12_000, dtype=np.float32)
    pieces = [piece for seed in range(4) for piece in (gap, word_like(seed, 8_000))]
    write_audio(tmp_path / "room" / "tape.wav", np.concatenate([*pieces, gap]))
    return tmp_path / "room"


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    message = capsys.readouterr().err.strip()
    assert message.startswith("speechtune: ")
    assert "\n" not in message
    return message


def test_what_a_room_sounds_like_becomes_negatives_that_a_model_learns_from(checkpoint, room, tmp_path, capsys):
    hard = tmp_path / "hard"
    assert run(["mine", str(checkpoint), str(room), "--out", str(hard), *EVERYTHING]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"speechtune finetune DATA --negatives {hard}" in told
    assert len(load_negatives(hard).clips) == 4
    save_random_model("whisper", tmp_path / "encoder")
    data = make_folder(tmp_path / "data", {"yes": 3, "no": 3})
    arguments = ["--negatives", str(hard), "--encoder", str(tmp_path / "encoder"), "--set", "augment.copies=1"]
    assert run(["finetune", str(data), "--out", str(tmp_path / "better"), *arguments]) == 0
    assert "4 negative clips of 1 words" in capsys.readouterr().out


def test_a_person_takes_commands_out_of_it_and_the_rest_stays_ready(checkpoint, room, tmp_path, capsys):
    hard, reviewed = tmp_path / "hard", tmp_path / "reviewed"
    assert run(["mine", str(checkpoint), str(room), "--out", str(hard), *EVERYTHING]) == 0
    first, second, third, fourth = [hit for hit, _ in read_hits(hard)]
    listed = load_negatives(hard).clips
    assert [clip.id for clip in listed] == [hit.id for hit in (first, second, third, fourth)]
    assert [dict(clip.extra)["x_nearest"] for clip in listed] == [hit.label for hit in (first, second, third, fourth)]
    decisions = [{"id": first.id, "decision": "confirm"}, {"id": third.id, "decision": "discard"}]
    (tmp_path / "answers.jsonl").write_text("\n".join(json.dumps(line) for line in decisions))
    answers = ["--from-answers", str(tmp_path / "answers.jsonl")]
    assert run(["review", str(hard), "--out", str(reviewed), *answers]) == 0
    assert "1 confirmed, 0 relabelled, 1 discarded, 2 left for later" in capsys.readouterr().out
    assert [clip.label for clip in load_clips(reviewed).clips] == [first.label]
    assert [clip.id for clip in load_negatives(hard).clips] == [second.id, fourth.id]


def test_a_room_in_which_nothing_fires_makes_no_folder_and_is_no_fault(checkpoint, room, tmp_path, capsys):
    write_audio(tmp_path / "still" / "a.wav", np.zeros(32_000, dtype=np.float32))
    assert run(["mine", str(checkpoint), str(tmp_path / "still"), "--out", str(tmp_path / "hard")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "0 stretches fired, 0 came within 2 logits" in told
    assert "is not made" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ckpt", "room", "still"]


def test_words_of_a_label_track_are_left_out_and_several_sources_keep_their_names(checkpoint, room, tmp_path, capsys):
    write_audio(tmp_path / "hall" / "tape.wav", np.concatenate([word_like(9, 8_000), np.zeros(9_000, np.float32)]))
    write_truth(tmp_path / "hall" / "tape.txt", [])
    hard = tmp_path / "hard"
    sources = [str(room), str(tmp_path / "hall"), str(room / "tape.wav")]
    assert run(["mine", str(checkpoint), *sources, "--out", str(hard), *EVERYTHING]) == 0
    assert "in 2 recordings, 1 of them with a label track" in " ".join(capsys.readouterr().out.split())
    assert {clip.session for clip in load_negatives(hard).clips} == {"room/tape.wav", "hall/tape.wav"}
    (room / "tape.txt").write_text("0.0\t5.0\tyes\n")
    assert run(["mine", str(checkpoint), str(room), "--out", str(tmp_path / "none"), *EVERYTHING]) == 0
    assert "4 stretches where a command is said" in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "none").exists()


def test_bad_inputs_are_one_line_and_leave_no_folder(checkpoint, room, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("kept")
    write_audio(tmp_path / "broken" / "a.wav", word_like(1))
    (tmp_path / "broken" / "b.flac").write_bytes(b"no audio")
    before = sorted(path.name for path in tmp_path.iterdir())
    out = ["--out", str(tmp_path / "hard")]
    for arguments, says in (
        ([str(checkpoint), str(tmp_path / "gone"), *out], "gone: no such file or folder"),
        ([str(checkpoint), str(tmp_path / "empty"), *out], "empty: holds no audio"),
        ([str(checkpoint), str(tmp_path / "broken"), *out], "b.flac: not readable as audio"),
        ([str(tmp_path / "gone"), str(room), *out], "gone"),
        ([str(checkpoint), str(room), "--out", str(tmp_path / "full")], "holds something already"),
        ([str(checkpoint), str(room), "--out", str(room / "tape.wav")], "cannot be written"),
        ([str(checkpoint), str(room), *out, "--margin", "-1"], "--margin"),
        ([str(checkpoint), str(room), *out, "--most", "0"], "--most"),
        ([str(checkpoint), *out], "RECORDINGS"),
    ):
        assert run(["mine", *arguments]) == 2
        assert says in one_line(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
