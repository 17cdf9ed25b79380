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
from speechtune.data.sets.loading import load_clips
from speechtune.evaluation.answers.files import load_predictions
from speechtune.evaluation.clips.conditions import score_conditions
from speechtune.evaluation.clips.metrics import Metrics, load_metrics
from speechtune.evaluation.streams.metrics import StreamMetrics, load_stream_metrics
from speechtune.evaluation.streams.truth import SpokenWord, write_truth
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.models.opened import open_model
from speechtune.remote.server_access import ServerAccess
from speechtune.remote.server_system import server_system
from speechtune.streaming.voice import activity
from speechtune_server.app import RecognitionServer
from speechtune_server.engine.backends import loader_for
from speechtune_server.process.config import Backend
from tests.support.certificates import Authority, needs_openssl
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint
from tests.support.keys import RECOGNISE, key_file
from tests.support.serving import config_of, server_in_thread
from tests.support.streaming import LoudnessActivity, tone

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


def test_a_server_hears_noise_and_rooms_as_its_checkpoint_does(checkpoint, address, data, tmp_path):
    clips = load_clips(data).clips
    with server_system(ServerAccess(address), "", checkpoint) as served:
        there = score_conditions(served.scorer, clips)
        assert served.window_samples == open_model(checkpoint).scorer.window_samples
    here = score_conditions(open_model(checkpoint).scorer, clips)
    assert [one.name for one in there] == [one.name for one in here]
    for one, other in zip(there, here, strict=True):
        # A window that is placed once more moves by a few samples: a clip at the edge may fall on the other side.
        assert one.closed_set_accuracy == pytest.approx(other.closed_set_accuracy, abs=0.05), one.name
        assert one.false_accept_rate == pytest.approx(other.false_accept_rate, abs=0.1), one.name
    out = tmp_path / "out"
    assert run(["evaluate", str(data), "--address", address, "--conditions", "--out", str(out)]) == 0
    assert here[1].name in (out / "report.html").read_text()


@needs_openssl
def test_a_server_that_wants_tls_certificates_and_keys_is_evaluated_with_them(tmp_path, capsys):
    authority = Authority.made(tmp_path / "authority")
    certificate, private_key = authority.issue(tmp_path / "server", "server")
    own_certificate, own_key = authority.issue(tmp_path / "device", "device")
    token = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None))["kitchen"]
    (tmp_path / "token").write_text(token + "\n")
    tones = tmp_path / "tones"
    for label, hz in (("low", 250), ("high", 1_000)):
        for number in range(3):
            write_audio(tones / label / f"{number}.wav", tone(hz + 5 * number, 12_000))
    settings = {"certificate": certificate, "private_key": private_key, "client_authorities": authority.certificate}
    with server_in_thread(**settings, keys=tmp_path / "keys.toml") as server:
        command = ["evaluate", str(tones), "--address", server.address, "--out", str(tmp_path / "out")]
        command += ["--authorities", str(authority.certificate), "--key-file", str(tmp_path / "token")]
        assert run([*command, "--certificate", str(own_certificate), "--private-key", str(own_key)]) == 0
        capsys.readouterr()
        (tmp_path / "token").write_text(token[:-1])
        assert run([*command, "--certificate", str(own_certificate), "--private-key", str(own_key)]) == 1
        assert "send a valid key" in capsys.readouterr().err
    assert load_metrics(tmp_path / "out" / "metrics.json").accuracy == 1.0


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
    assert run(["evaluate", str(checkpoint), str(data), "--out", out, "--model", "home"]) == 2
    assert "belong to --address" in capsys.readouterr().err
    assert run(["evaluate", str(data), "--out", out, "--address", address, "--certificate", out]) == 2
    assert "--certificate and --private-key belong together" in capsys.readouterr().err
    own = ["--certificate", out, "--private-key", out]
    assert run(["evaluate", str(data), "--out", out, "--address", address, *own]) == 2
    assert "name --authorities too" in capsys.readouterr().err
    assert run(["evaluate", str(data), "--out", out, "--address", address, "--authorities", out]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert run(["evaluate", "--out", out, "--stream", str(data)]) == 2
    assert "name a checkpoint (CKPT) or a running server" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_server_that_ends_a_stream_early_is_an_error_and_not_a_short_recording(tapes, tmp_path, capsys):
    # The scripted model has other keywords than the label tracks: here nothing is said.
    for path in tapes.glob("*.txt"):
        path.write_text("")
    with server_in_thread(max_stream_seconds=4.0) as server:
        command = ["evaluate", "--address", server.address, "--stream", str(tapes), "--out", str(tmp_path / "out")]
        assert run(command) == 1
    assert "ended the stream before the recording did (MAX_DURATION)" in capsys.readouterr().err
