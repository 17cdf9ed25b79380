from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speechtune.cli.app import run
from speechtune.evaluation.answers.files import save_predictions
from speechtune.evaluation.streams.metrics import load_stream_metrics
from speechtune.evaluation.streams.truth import write_truth
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.streaming.voice import activity
from tests.support.answers import predictions_of, simulate
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint
from tests.support.streaming import LoudnessActivity


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(random_checkpoint(thresholds={"yes": 0.6, "no": 0.6}), tmp_path / "ckpt")
    return tmp_path / "ckpt"


@pytest.fixture
def tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(activity, "SileroActivity", LoudnessActivity)  # no voice in what tests synthesise
    gap = np.zeros(12_000, dtype=np.float32)
    pieces = [piece for seed in range(12) for piece in (gap, word_like(seed, 8_000))]
    write_audio(tmp_path / "tapes" / "tape.wav", np.concatenate([*pieces, gap]))
    write_truth(tmp_path / "tapes" / "tape.txt", [])
    return tmp_path / "tapes"


def test_streams_are_measured_into_a_file_and_a_table(checkpoint, tape, tmp_path, capsys):
    assert run(["evaluate", str(checkpoint), "--stream", str(tape), "--out", str(tmp_path / "out")]) == 0
    metrics = load_stream_metrics(tmp_path / "out" / "stream_metrics.json")
    assert metrics.num_recordings == 1
    assert metrics.num_windows >= 12
    assert metrics.checkpoint_digest == load_checkpoint(checkpoint).digest
    said = capsys.readouterr().out
    assert "times as fast as real time" in said
    assert "earlier evaluation" not in said
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_recordings_without_label_tracks_are_measured_and_the_report_says_so(checkpoint, tape, tmp_path, capsys):
    (tape / "tape.txt").unlink()
    assert run(["evaluate", str(checkpoint), "--stream", str(tape), "--out", str(tmp_path / "out")]) == 0
    assert "no recording has a label track (.txt)" in " ".join(capsys.readouterr().out.split())
    metrics = load_stream_metrics(tmp_path / "out" / "stream_metrics.json")
    assert metrics.num_without_truth == 1
    assert metrics.total.num_false_accepts == metrics.total.num_alone
    (said,) = [finding for finding in metrics.findings if "every event is counted as false" in finding]
    assert said in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_report_of_clips_alone_says_that_streams_were_not_tried_and_how_to(checkpoint, tape, tmp_path, capsys):
    data, out = make_folder(tmp_path / "data", {"yes": 3, "no": 3, "cat": 3}), tmp_path / "out"
    assert run(["evaluate", str(checkpoint), str(data), "--out", str(out)]) == 0
    command = "speechtune evaluate CKPT DATA --stream RECORDINGS"
    assert command in " ".join(capsys.readouterr().out.split())
    findings = json.loads((out / "metrics.json").read_text())["findings"]
    (said,) = [finding for finding in findings if command in finding]
    assert said in (out / "report.html").read_text(encoding="utf-8")
    assert run(["evaluate", str(checkpoint), str(data), "--stream", str(tape), "--out", str(out)]) == 0
    assert not any(command in finding for finding in json.loads((out / "metrics.json").read_text())["findings"])


def test_onnx_runtime_hears_the_same_events_as_torch(tape, tmp_path):
    checkpoint, found = tmp_path / "eager", {}
    save_checkpoint(random_checkpoint(thresholds={"yes": 0.2, "no": 0.2}), checkpoint)
    for backend in ("torch", "onnx", "onnx-int8"):
        out = tmp_path / backend
        arguments = ["--stream", str(tape), "--out", str(out), "--backend", backend]
        assert run(["evaluate", str(checkpoint), *arguments]) == 0
        assert f'"backend": "{backend}"' in (out / "report.html").read_text(encoding="utf-8")
        found[backend] = load_stream_metrics(out / "stream_metrics.json")
    events = {
        name: [(one.label, one.start_sample, one.end_sample) for one in metrics.errors]
        for name, metrics in found.items()
    }
    assert events["torch"]
    assert events["torch"] == events["onnx"]
    assert len({metrics.checkpoint_digest for metrics in found.values()}) == 1
    assert found["onnx-int8"].num_windows == found["torch"].num_windows
    assert not list(tmp_path.rglob("*.onnx"))


def test_a_backend_is_for_a_checkpoint_of_this_machine(checkpoint, tape, tmp_path, capsys):
    wanted = ["--stream", str(tape), "--out", str(tmp_path / "out"), "--backend", "onnx"]
    assert run(["evaluate", str(tmp_path / "model.onnx"), *wanted]) == 2
    assert "--backend onnx belongs to a checkpoint's folder" in capsys.readouterr().err
    assert run(["evaluate", "--address", "127.0.0.1:1", *wanted]) == 2
    assert "--backend belongs to a checkpoint" in capsys.readouterr().err
    assert run(["evaluate", str(checkpoint), *wanted[:-1], "tpu"]) == 2
    assert "tpu" in capsys.readouterr().err


def test_figures_that_an_earlier_evaluation_left_are_named(checkpoint, tape, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.json").write_text("{}", encoding="utf-8")
    assert run(["evaluate", str(checkpoint), "--stream", str(tape), "--out", str(out)]) == 0
    assert "note: metrics.json in" in capsys.readouterr().out
    assert (out / "metrics.json").read_text(encoding="utf-8") == "{}"


def test_evaluate_wants_clips_or_streams_and_truth_only_with_streams(checkpoint, tmp_path, capsys):
    assert run(["evaluate", str(checkpoint), "--out", str(tmp_path)]) == 2
    assert "--stream" in capsys.readouterr().err
    assert run(["evaluate", str(checkpoint), "x", "--truth", "a.txt", "--out", str(tmp_path)]) == 2
    assert "--truth belongs to --stream" in capsys.readouterr().err


def test_thresholds_are_written_into_a_new_checkpoint_with_the_same_weights(checkpoint, tape, tmp_path, capsys):
    new = tmp_path / "new"
    assert run(["threshold", str(checkpoint), str(tape), "--fa-per-hour", "0.5", "--out", str(new)]) == 0
    before, after = load_checkpoint(checkpoint), load_checkpoint(new)
    assert after.thresholds != before.thresholds
    assert after.training["thresholds_chosen_on_streams"]["asked_false_accepts_per_hour"] == 0.5
    for name, tensor in before.classifier.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), after.classifier.state_dict()[name].numpy())
    assert "too short for 0.5 an hour" in " ".join(capsys.readouterr().out.split())
    assert run(["evaluate", str(new), "--stream", str(tape), "--out", str(tmp_path / "out")]) == 0
    assert load_stream_metrics(tmp_path / "out" / "stream_metrics.json").total.num_alone == 0


def test_a_checkpoint_compared_with_itself_shows_no_evidence_of_a_difference(checkpoint, tmp_path, capsys):
    data = tmp_path / "data"
    make_folder(data, {"yes": 4, "no": 4, "cat": 3})
    assert run(["compare", str(checkpoint), str(checkpoint), str(data), "--out", str(tmp_path / "c.json")]) == 0
    assert "no evidence of a difference" in " ".join(capsys.readouterr().out.split())
    found = json.loads((tmp_path / "c.json").read_text())
    assert (found["num_clips"], found["won"], found["lost"]) == (11, [], [])


def test_two_files_of_predictions_need_no_data_and_the_better_one_is_named(tmp_path, capsys):
    good, bad = simulate(np.random.default_rng(0), skill=5.0), simulate(np.random.default_rng(0), skill=5.0)
    worse = np.roll(bad.posteriors, 1, axis=1)
    mixed = np.where(np.arange(len(bad))[:, None] % 3 == 0, worse, bad.posteriors)
    save_predictions(predictions_of(mixed, bad.words, bad.speakers), tmp_path / "a.jsonl")
    save_predictions(good, tmp_path / "b.jsonl")
    assert run(["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith("B is better")
    assert "only B gets right, the first 10" in told


def test_a_checkpoint_without_test_clips_cannot_be_compared(checkpoint, capsys):
    assert run(["compare", str(checkpoint), str(checkpoint)]) == 2
    assert "name test clips" in capsys.readouterr().err


def test_exports_in_full_and_in_8_bits_are_compared_with_each_other_and_with_a_file_of_predictions(
    checkpoint, tmp_path, capsys
):
    data = make_folder(tmp_path / "data", {"yes": 6, "no": 5, "cat": 3})
    full, small = tmp_path / "full.onnx", tmp_path / "small.onnx"
    assert run(["export", str(checkpoint), "--out", str(full)]) == 0
    assert run(["export", str(checkpoint), "--out", str(small), "--int8"]) == 0
    assert run(["evaluate", str(full), str(data), "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert run(["compare", str(full), str(small), str(data), "--out", str(tmp_path / "c.json")]) == 0
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["num_clips"] == 14
    # The file of predictions was made by the same export: paired by name, nothing differs.
    predictions = tmp_path / "out" / "predictions.jsonl"
    assert run(["compare", str(predictions), str(full), str(data), "--out", str(tmp_path / "d.json")]) == 0
    found = json.loads((tmp_path / "d.json").read_text())
    assert (found["num_clips"], found["won"], found["lost"]) == (14, [], [])
    assert "no evidence of a difference" in " ".join(capsys.readouterr().out.split())
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["checkpoint_digest"] == load_checkpoint(checkpoint).digest


def test_a_file_that_is_no_export_is_refused_by_name(tmp_path, capsys):
    data = make_folder(tmp_path / "data", {"yes": 1, "no": 1})
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    assert run(["compare", str(tmp_path / "model.onnx"), str(tmp_path / "gone.onnx"), str(data)]) == 2
    assert "model.onnx" in capsys.readouterr().err
