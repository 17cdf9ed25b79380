"""Every verb that runs a model takes an exported `.onnx` file as it takes a checkpoint's folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speechtune.cli.app import run
from speechtune.evaluation.clips.metrics import load_metrics
from speechtune.evaluation.streams.truth import write_truth
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.models.export import export_onnx
from speechtune.streaming.voice import activity
from speechtune_server.hits.files import read_hits
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint
from tests.support.processes import run_python
from tests.support.streaming import LoudnessActivity


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint's folder and its export."""
    folder = tmp_path_factory.mktemp("models")
    saved = save_checkpoint(random_checkpoint(thresholds={"yes": 0.3, "no": 0.3}), folder / "ckpt")
    export_onnx(saved, folder / "model.onnx")
    return folder / "ckpt", folder / "model.onnx"


@pytest.fixture
def tapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(activity, "SileroActivity", LoudnessActivity)  # no voice in what tests synthesise
    gap = np.zeros(12_000, dtype=np.float32)
    pieces = [piece for seed in range(6) for piece in (gap, word_like(seed, 8_000))]
    write_audio(tmp_path / "tapes" / "tape.wav", np.concatenate([*pieces, gap]))
    write_truth(tmp_path / "tapes" / "tape.txt", [])
    return tmp_path / "tapes"


def test_recognize_answers_as_the_checkpoint_does(places, tmp_path, capsys):
    recording = write_audio(tmp_path / "a.wav", word_like(1))
    answers = []
    for place in places:
        assert run(["recognize", str(place), str(recording)]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    of_folder, of_file = answers
    assert of_file["model_digest"] == of_folder["model_digest"]
    assert [score["label"] for score in of_file["scores"]] == [score["label"] for score in of_folder["scores"]]
    pairs = zip(of_folder["scores"], of_file["scores"], strict=True)
    assert all(abs(one["confidence"] - other["confidence"]) < 1e-3 for one, other in pairs)


def test_info_tells_what_the_file_says_of_itself_without_torch(places, capsys):
    assert run(["info", str(places[1]), "--json"]) == 0
    description = json.loads(capsys.readouterr().out)
    assert description["keywords"] == ["yes", "no"]
    assert description["digest"] == load_checkpoint(places[0]).digest
    program = f"""
    import sys
    from speechtune.cli.app import run
    assert run(["info", {str(places[1])!r}]) == 0
    assert "torch" not in sys.modules and "grpc" not in sys.modules
    """
    run_python(program)


def test_threshold_shows_thresholds_and_says_how_to_keep_them(places, tapes, tmp_path, capsys):
    shown = []
    for place in places:
        assert run(["threshold", str(place), str(tapes)]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert run(["threshold", str(places[1]), str(tapes), "--out", str(tmp_path / "new")]) == 2
    message = capsys.readouterr().err
    assert "give the checkpoint's folder that it was exported from" in message
    assert not (tmp_path / "new").exists()


def test_mine_and_review_take_what_an_exported_model_found(places, tapes, tmp_path, capsys):
    hard = tmp_path / "hard"
    assert run(["mine", str(places[1]), str(tapes), "--out", str(hard), "--margin", "60"]) == 0
    hits = list(read_hits(hard))
    assert {hit.model for hit, _ in hits} == {"model.onnx"}
    capsys.readouterr()
    assert run(["review", str(hard), "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(hits)


def test_evaluate_and_compare_take_both(places, tapes, tmp_path, capsys):
    data = make_folder(tmp_path / "data", {"yes": 3, "no": 3, "bird": 2})
    out = tmp_path / "out"
    assert run(["evaluate", str(places[1]), str(data), "--stream", str(tapes), "--out", str(out)]) == 0
    assert load_metrics(out / "metrics.json").checkpoint_digest == load_checkpoint(places[0]).digest
    assert run(["compare", str(places[0]), str(places[1]), str(data)]) == 0
    assert "8 clips" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["finetune", "export"])
def test_what_needs_the_weights_asks_for_the_checkpoints_folder(verb, places, tmp_path, capsys):
    data = make_folder(tmp_path / "data", {"yes": 3, "no": 3})
    arguments = {
        "finetune": [str(data), "--from", str(places[1]), "--out", str(tmp_path / "new")],
        "export": [str(places[1]), "--out", str(tmp_path / "new.onnx")],
    }
    assert run([verb, *arguments[verb]]) == 2
    assert "name the checkpoint's folder that it was exported from" in capsys.readouterr().err
