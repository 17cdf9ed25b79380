"""What Prometheus finds, read over HTTP as it would."""

from __future__ import annotations

import urllib.request

import pytest

from speechtune.errors import AddressInUseError, ConfigError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.app import RecognitionServer
from speechtune_server.process.config import server_config
from tests.support.serving import (
    COMMANDS_CONTENT,
    DIGEST,
    LINEAR16_SPEC,
    ObedientScorer,
    asynchronous,
    audio,
    config,
    config_of,
    refusal,
    responses,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import LoudnessActivity

prometheus_parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")
METRICS = {"metrics_address": "127.0.0.1:0"}


def scraped(server):
    """Sample name and labels to value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server._metrics.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    families = prometheus_parser.text_string_to_metric_families(text)
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()) if key != "le")): sample.value
        for family in families
        for sample in family.samples
        if sample.labels.get("le") in (None, "+Inf")
    }


@asynchronous
async def test_detections_rejections_latencies_and_batches_are_counted():
    async with running_server(**METRICS) as server, stub_of(server) as stub:
        await responses(stub, [config(events=pb.EventSelection(interims=True)), audio(COMMANDS_CONTENT)])
        found = scraped(server)
        await stub.Recognize(pb.RecognizeRequest(audio=LINEAR16_SPEC, content=COMMANDS_CONTENT))
        assert scraped(server)["speechtune_detections_total", "label=low", "model=home"] == 2
    for label in ("low", "high"):
        assert found["speechtune_detections_total", f"label={label}", "model=home"] == 1
    assert found["speechtune_rejections_total", "model=home", "reason=unknown word"] == 1
    for event, least in (("detection", 2), ("rejection", 1), ("interim", 3)):
        assert found["speechtune_latency_seconds_count", f"event={event}", "model=home"] >= least
    assert found["speechtune_batch_size_sum", "work=scoring"] == 3
    assert found["speechtune_batch_size_sum", "work=activity"] > 10
    assert found["speechtune_batch_seconds_count", "work=scoring"] > 0
    assert found["speechtune_model", f"digest={DIGEST}", "name=home", "precision=fp32"] == 1
    assert (
        found["speechtune_calls_total", "method=/speechtune.v1.CommandRecognition/StreamingRecognize", "status=OK"] == 1
    )


@asynchronous
async def test_streams_and_what_waits_are_shown_while_they_last():
    scorer = ObedientScorer()
    async with running_server(scorer, max_batch=1, **METRICS) as server, stub_of(server) as stub:
        scorer.may_go.clear()
        calls = [stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT)])) for _ in range(4)]
        await until(lambda: scraped(server)["speechtune_queue", "work=scoring"] >= 3)
        found = scraped(server)
        assert (found["speechtune_streams",], found["speechtune_calls_in_work",]) == (4, 4)
        scorer.may_go.set()
        for call in calls:
            _ = [answer async for answer in call]
        await until(lambda: scraped(server)["speechtune_streams",] == 0)
        assert scraped(server)["speechtune_queue", "work=scoring"] == 0


@asynchronous
async def test_refused_calls_are_counted_by_reason_and_cancelled_ones_as_such():
    async with running_server(max_streams=1, **METRICS) as server, stub_of(server) as stub:
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.read()
        await refusal(responses(stub, [config()]))
        await refusal(stub.Recognize(pb.RecognizeRequest()))
        call.cancel()
        await until(lambda: server.admission.num_streams == 0)
        found = scraped(server)
    stream, clip = (f"method=/speechtune.v1.CommandRecognition/{name}" for name in ("StreamingRecognize", "Recognize"))
    assert found["speechtune_refusals_total", stream, "reason=ServiceOverloadedError"] == 1
    assert found["speechtune_refusals_total", clip, "reason=InvalidRequestError"] == 1
    assert found["speechtune_calls_total", stream, "status=RESOURCE_EXHAUSTED"] == 1
    assert found["speechtune_calls_total", stream, "status=CANCELLED"] == 1


@asynchronous
async def test_a_metrics_port_that_is_taken_ends_the_start_and_gives_the_other_port_back():
    async with running_server(**METRICS) as server:
        taken = f"127.0.0.1:{server._metrics.port}"
        second = RecognitionServer(config_of(metrics_address=taken), load_activity=LoudnessActivity)
        with pytest.raises(AddressInUseError, match="metrics"):
            await second.start()


def test_metrics_leave_this_machine_only_when_told_so():
    home = {"models": {"home": "home"}, "metrics_address": "0.0.0.0:9100"}
    with pytest.raises(ConfigError, match="metrics_address"):
        server_config(**home)
    assert server_config(**home, allow_plaintext=True).metrics_address == "0.0.0.0:9100"
