"""`evaluate --address`: the figures of a running server are those of the checkpoint it serves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from speechtune.cli.app import run
from speechtune.evaluation.metrics import Metrics, load_metrics
from speechtune.evaluation.prediction_file import load_predictions
from speechtune.evaluation.stream_metrics import StreamMetrics, load_stream_metrics
from speechtune.evaluation.stream_truth import SpokenWord, write_truth
from speechtune.models.checkpoint import load_checkpoint, save_checkpoint
from speechtune.streaming import activity
from speechtune_server.app import RecognitionServer
from speechtune_server.backends import Backend, loader_for
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint
from tests.support.serving import config_of, server_in_thread
from tests.support.streaming import LoudnessActivity

ELSEWHERE = {"seconds", "scoring_seconds", "encoder", "not_measured", "findings"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "home"
    save_checkpoint(random_checkpoint(thresholds={"yes": 0.12, "no": 0.1}), folder)
    return folder


@pytest.fixture(scope="module")
def address(checkpoint: Path) -> Iterator[str]:
    with serving(checkpoint) as place:
        yield place


@contextmanager
def serving(checkpoint: Path) -> Iterator[str]:
    """Address of the real server with the real checkpoint in a thread; only the voice activity is scripted."""
    addresses: list[str] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        config = config_of(models={"home": checkpoint})
        server = RecognitionServer(config, loader_for(Backend.TORCH, None, 1), LoudnessActivity)
        try:
            addresses.append(await server.start())
            ready.set()
            await asyncio.to_thread(done.wait)
        finally:
            ready.set()
            await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30), "the server did not start"
        yield addresses[0]
    finally:
        done.set()
        thread.join()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data", {"yes": 25, "no": 20, "cat": 10, "ship": 12})


@pytest.fixture
def tapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(activity, "SileroActivity", LoudnessActivity)
    gap = np.zeros(12_000, dtype=np.float32)
    for number in range(3):
        pieces = [piece for seed in range(6) for piece in (gap, word_like(10 * number + seed, 8_000))]
        write_audio(tmp_path / "tapes" / f"{number}.wav", np.concatenate([*pieces, gap]))
    long = np.concatenate([word_like(seed, 12_000) for seed in range(6)])  # windows pass over it
    write_audio(tmp_path / "tapes" / "rate8k.wav", np.concatenate([gap, long, gap]), rate_hz=8_000)
    words = [
        SpokenWord("yes" if number % 2 else "no", 12_000 + 20_000 * number, 20_000 + 20_000 * number)
        for number in range(6)
    ]
    write_truth(tmp_path / "tapes" / "0.txt", words)
    return tmp_path / "tapes"


def without(metrics: Metrics | StreamMetrics, *keys: str) -> dict[str, object]:
    return metrics.model_dump(exclude=ELSEWHERE | set(keys))


def test_clips_answered_by_a_server_give_the_same_figures_as_its_checkpoint(checkpoint, address, data, tmp_path):
    assert run(["evaluate", str(checkpoint), str(data), "--out", str(tmp_path / "here")]) == 0
    assert run(["evaluate", str(checkpoint), str(data), "--address", address, "--out", str(tmp_path / "there")]) == 0
    here, there = (load_predictions(tmp_path / place / "predictions.jsonl") for place in ("here", "there"))
    assert here.clip_ids == there.clip_ids
    np.testing.assert_allclose(there.posteriors, here.posteriors, atol=1e-5)
    found = [load_metrics(tmp_path / place / "metrics.json") for place in ("here", "there")]
    # Posteriors that differ in the last bits move thresholds as little; every count and rate is the same.
    exact = (
        "num_clips",
        "accuracy",
        "closed_set_accuracy",
        "macro_f1",
        "detection_rate_at_far",
        "per_label",
        "confusion",
    )
    for key in (*exact, "detection_rate_at_far_unseen", "equal_error_rate", "speakers", "checkpoint_digest"):
        assert getattr(found[0], key) == getattr(found[1], key), key
    assert found[1].intervals["accuracy"] == pytest.approx(found[0].intervals["accuracy"])
    assert found[1].expected_calibration_error == pytest.approx(found[0].expected_calibration_error, abs=1e-5)
    assert found[1].checkpoint_digest == load_checkpoint(checkpoint).digest
    assert (tmp_path / "there" / "report.html").is_file()


def test_streams_answered_by_a_server_give_the_same_events_and_figures(checkpoint, address, tapes, tmp_path, capsys):
    assert run(["evaluate", str(checkpoint), "--stream", str(tapes), "--out", str(tmp_path / "here")]) == 0
    capsys.readouterr()
    assert run(["evaluate", "--address", address, "--stream", str(tapes), "--out", str(tmp_path / "there")]) == 0
    assert "of it in the encoder" not in capsys.readouterr().out
    here, there = (load_stream_metrics(tmp_path / place / "stream_metrics.json") for place in ("here", "there"))
    assert here.total.num_false_accepts > 0
    timed = ("det", "latency", "errors", "real_time_factor", "thresholds")
    assert without(there, *timed) == without(here, *timed)
    assert [(one.recording, one.kind, one.label, one.start_sample, one.end_sample) for one in there.errors] == [
        (one.recording, one.kind, one.label, one.start_sample, one.end_sample) for one in here.errors
    ]
    assert there.thresholds == pytest.approx(here.thresholds, abs=1e-6)
    assert here.latency is not None
    assert there.latency is not None
    assert there.latency.audio_ms == here.latency.audio_ms
    assert there.latency.compute_median_ms is None
    assert there.det == []
    assert {"det", "scoring_seconds"} <= there.not_measured.keys()


def test_without_the_checkpoint_the_words_it_was_shown_are_not_claimed(address, data, tmp_path):
    assert run(["evaluate", str(data), "--address", address, "--model", "home", "--out", str(tmp_path / "out")]) == 0
    metrics = load_metrics(tmp_path / "out" / "metrics.json")
    assert metrics.num_clips == 67
    assert "is not known" in metrics.not_measured["detection_rate_at_far_unseen@0.05"]
    assert metrics.open_set is not None
    assert {word.was_shown for word in metrics.open_set.words} == {None}


def test_another_checkpoint_an_unknown_model_and_a_server_that_is_not_there_are_refused(
    checkpoint, address, data, tmp_path, capsys
):
    other = tmp_path / "other"
    save_checkpoint(random_checkpoint("wav2vec2"), other)
    out = str(tmp_path / "out")
    assert run(["evaluate", str(other), str(data), "--address", address, "--out", out]) == 2
    assert "name the checkpoint that it serves" in capsys.readouterr().err
    assert run(["evaluate", str(data), "--address", address, "--model", "away", "--out", out]) == 2
    assert "has no model 'away'; it has: home" in capsys.readouterr().err
    assert run(["evaluate", str(data), "--out", out, "--address", address, "--conditions"]) == 2
    assert "--conditions needs the model itself" in capsys.readouterr().err
    assert run(["evaluate", str(checkpoint), str(data), "--out", out, "--model", "home"]) == 2
    assert "--model belongs to --address" in capsys.readouterr().err
    assert run(["evaluate", "--out", out, "--stream", str(data)]) == 2
    assert "name a checkpoint (CKPT) or a running server" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_server_that_ends_a_stream_early_is_an_error_and_not_a_short_recording(tapes, tmp_path, capsys):
    with server_in_thread(max_stream_seconds=4.0) as server:
        command = ["evaluate", "--address", server.address, "--stream", str(tapes), "--out", str(tmp_path / "out")]
        # The scripted model has other keywords than the label tracks; it must not even come to that.
        assert run(command) == 1
    assert "ended the stream before the recording did (MAX_DURATION)" in capsys.readouterr().err
