"""The Python clients: plain events, clear errors, no faster than the server, nothing left behind."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time

import numpy as np
import pytest

from speechtune.cli.app import run
from speechtune_client import (
    AsyncCommandClient,
    ClientError,
    CommandClient,
    CommandRule,
    Detection,
    DetectorSettings,
    Ended,
    Endpointing,
    Heartbeat,
    Microphone,
    Started,
    as_json,
    errors,
)
from speechtune_client.messages import stream_event
from speechtune_client.v1 import command_recognition_pb2 as pb
from tests.support.clips import write_audio
from tests.support.serving import (
    COMMANDS,
    COMMANDS_CONTENT,
    DIGEST,
    ObedientScorer,
    asynchronous,
    running_server,
    server_in_thread,
    until,
)
from tests.support.streaming import cut, linear16, quiet, tone

LABELS = ["low", "high"]


@pytest.fixture(scope="module")
def server():
    with server_in_thread(max_in_flight_seconds=2.0) as server:
        yield server


@pytest.fixture
def client(server):
    with CommandClient(server.address) as client:
        yield client


def labels(events):
    return [event.label for event in events if isinstance(event, Detection)]


def test_a_stream_gives_plain_typed_events(client):
    events = list(client.stream(cut(COMMANDS_CONTENT, [3_200] * 20), rejections=True, speech_activity=True))
    assert [event.event for event in events if event.event != "activity"] == [
        "started",
        "detection",
        "detection",
        "rejected",
        "ended",
    ]
    started, ended = events[0], events[-1]
    assert isinstance(started, Started)
    assert (started.model, started.model_digest, started.encoding) == ("home", DIGEST, "LINEAR16")
    assert started.commands == (CommandRule("low", 0.5, 500), CommandRule("high", 0.5, 500))
    assert isinstance(ended, Ended)
    assert ended.reason == "CLIENT_FINISHED"
    assert ended.statistics.audio_processed == ended.audio_processed == len(COMMANDS) / 16_000
    detection = next(event for event in events if isinstance(event, Detection))
    assert detection.start_offset < detection.end_offset < detection.decision_offset <= detection.audio_processed
    assert 0 < detection.processing_latency < 5
    assert {event.session_id for event in events} == {started.session_id}


def test_every_setting_reaches_the_server(client):
    events = list(
        client.stream(
            [COMMANDS.astype("<f4").tobytes()],
            encoding="float32",
            model=f"home@{DIGEST}",
            commands=["high", CommandRule("low", threshold=0.99, refractory_ms=7)],
            detector=DetectorSettings(hop_ms=50, threshold=0.25),
            endpointing=Endpointing(hangover_ms=160),
            session_id="hall",
            resume_offset=10.5,
        )
    )
    started = events[0]
    assert started.commands == (CommandRule("high", 0.25, 500), CommandRule("low", 0.99, 7))
    assert (started.detector.hop_ms, started.endpointing.hangover_ms) == (50, 160)
    assert (started.session_id, started.resume_offset) == ("hall", 10.5)
    assert labels(events) == ["high"]
    assert events[1].start_offset > 10.5


def test_an_event_becomes_one_line_of_json(client):
    for event in client.stream([COMMANDS_CONTENT]):
        line = json.loads(json.dumps(as_json(event)))
        assert line["event"] == event.event
        if event.event == "detection":
            assert line["label"] in LABELS
            assert line["threshold"] == 0.5
            assert {"event_id", "start_offset", "end_offset", "decision_offset", "processing_latency"} <= line.keys()


def test_a_file_many_times_the_limit_is_sent_no_faster_than_the_server_listens(client):
    events = list(client.stream([COMMANDS_CONTENT] * 6))
    assert labels(events) == LABELS * 6
    assert not any(isinstance(event, Heartbeat) for event in events)


def test_heartbeats_come_as_often_as_they_were_asked_for(client):
    beats = [
        event.audio_processed
        for event in client.stream([bytes(32_000 * 6)], heartbeat_interval_ms=2_000)
        if isinstance(event, Heartbeat)
    ]
    assert len(beats) in (2, 3)
    assert all(later - earlier >= 2.0 for earlier, later in itertools.pairwise(beats))


def last_microphone(client, content):
    beats = client.stream([content], heartbeat_interval_ms=1_000)
    return [event.microphone for event in beats if isinstance(event, Heartbeat)][-1]


def test_heartbeats_tell_a_microphone_that_is_well_from_a_quiet_and_a_dead_one(client):
    well = last_microphone(client, linear16(np.tile(COMMANDS, 3)))
    assert (well.state, round(well.speech_dbfs)) == ("OK", -10)
    quiet = last_microphone(client, linear16(np.tile(COMMANDS, 3) * 0.01))
    assert (quiet.state, round(quiet.speech_dbfs)) == ("QUIET", -50)
    assert quiet.level_dbfs <= quiet.speech_dbfs
    dead = last_microphone(client, bytes(32_000 * 13))
    assert (dead.state, dead.level_dbfs, dead.speech_dbfs) == ("DEAD", None, None)
    assert json.loads(json.dumps(as_json(Heartbeat(None, None, dead))))["microphone"]["state"] == "DEAD"


def test_a_heartbeat_of_an_older_or_a_newer_server_can_be_read():
    def read(**fields):
        return stream_event(pb.StreamingRecognizeResponse(heartbeat=pb.Heartbeat(**fields)))

    assert read() == Heartbeat(None, None, None, audio_processed=0.0)
    assert "microphone" not in as_json(read())
    assert read(microphone=pb.Microphone(state=9)).microphone == Microphone("9", None, None)
    assert read(microphone=pb.Microphone(state="QUIET", level_dbfs=-44.5)).microphone == Microphone(
        "QUIET", -44.5, None
    )


def test_the_verb_shows_the_heartbeat_in_which_the_microphone_has_changed(server, tmp_path, capsys):
    path = tmp_path / "quiet.wav"
    write_audio(path, np.tile(COMMANDS, 3) * 0.01)
    assert run(["stream", str(path), "--address", server.address]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    beats = [event["microphone"] for event in events if event["event"] == "heartbeat"]
    assert [microphone["state"] for microphone in beats] == ["QUIET"]
    write_audio(path, np.tile(COMMANDS, 3))
    assert run(["stream", str(path), "--address", server.address]) == 0
    assert '"heartbeat"' not in capsys.readouterr().out


def test_the_verb_counts_a_command_each_time_it_is_said_where_it_is_told_so(server, tmp_path, capsys):
    path = tmp_path / "twice.wav"
    write_audio(path, np.concatenate([quiet(9_000), tone(250, 4_000), quiet(3_500), tone(250, 4_000), quiet(9_000)]))

    def labels(*options):
        assert run(["stream", str(path), "--address", server.address, *options]) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [event["label"] for event in events if event["event"] == "detection"]

    assert labels() == ["low"]
    assert labels("--refractory", "high=0") == ["low"]
    assert labels("--refractory", "high=900", "--refractory", "low=0") == ["low", "low"]
    for wrong, hint in (
        ("left=0", "low, high"),
        ("low", "COMMAND=MS"),
        ("low=-1", "COMMAND=MS"),
        ("low=60001", "60000"),
    ):
        assert run(["stream", str(path), "--address", server.address, "--refractory", wrong]) == 2
        assert hint in capsys.readouterr().err


def test_a_clip_is_recognised(client):
    recognition = client.recognize(COMMANDS_CONTENT, "LINEAR16", sample_rate_hertz=16_000, commands=["low"])
    assert [detection.label for detection in recognition.detections] == ["low"]
    assert [score.label for score in recognition.scores] == ["low", "high", "_unknown_", "_silence_"]
    assert recognition.model_digest == DIGEST


def test_models_and_limits_are_told(client):
    (model,) = client.list_models()
    assert (model.name, model.digest, model.is_default, model.window) == ("home", DIGEST, True, 1.0)
    info = client.server_info()
    assert info.limits.max_in_flight_audio == 2.0
    assert info.limits.max_stream_duration is None
    assert info.stream_encodings == ("LINEAR16", "FLOAT32", "MULAW", "ALAW", "WAV", "FLAC", "OGG_OPUS")
    assert info.clip_encodings == ("LINEAR16", "FLOAT32", "MULAW", "ALAW", "WAV", "FLAC", "OGG_OPUS")


def test_a_refusal_names_the_field(client):
    with pytest.raises(errors.InvalidRequestError) as caught:
        list(client.stream([b""], sample_rate_hertz=7_000))
    assert caught.value.code == "INVALID_ARGUMENT"
    assert [violation.field for violation in caught.value.violations] == ["config.audio.sample_rate_hertz"]
    assert caught.value.request_id
    with pytest.raises(errors.InvalidRequestError, match="none of a WAV file"):
        client.recognize(b"no audio")
    with pytest.raises(errors.NotFoundError, match="garden"):
        list(client.stream([], model="garden"))


def test_an_encoding_that_does_not_exist_is_refused_before_anything_is_sent(client):
    with pytest.raises(ValueError, match="LINEAR16"):
        client.stream([], encoding="mp3")


def test_an_unknown_setting_is_refused_before_anything_is_sent(client):
    with pytest.raises(TypeError, match="sample_rate"):
        client.stream([], sample_rate=16_000)


def test_what_the_chunks_raise_is_raised_to_the_reader(client, server):
    def microphone():
        yield COMMANDS_CONTENT[:3_200]
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        list(client.stream(microphone()))


def test_leaving_the_loop_cancels_the_stream(client, server):
    def endless():
        while True:
            yield COMMANDS_CONTENT

    for event in client.stream(endless()):
        if isinstance(event, Detection):
            break
    asyncio.run(until(lambda: server.admission.num_streams == 0))


def test_an_overloaded_server_tells_when_to_come_again():
    with server_in_thread(max_streams=1) as server, CommandClient(server.address) as client:
        may_end = threading.Event()

        def waiting():
            may_end.wait(10)
            yield b""

        first = client.stream(waiting())
        next(first)
        with pytest.raises(errors.OverloadedError) as caught:
            list(client.stream([]))
        assert caught.value.retry_after == 1.0
        may_end.set()
        list(first)


def test_a_failing_server_gives_the_request_id(caplog):
    with server_in_thread(ObedientScorer(fails=True)) as server, CommandClient(server.address) as client:
        with pytest.raises(errors.ServerFaultError) as caught:
            list(client.stream([COMMANDS_CONTENT]))
        assert caught.value.request_id in caplog.text


def test_a_server_that_is_not_there_is_waited_for_only_so_long():
    with CommandClient("127.0.0.1:1") as client:
        started = time.monotonic()
        with pytest.raises(errors.UnavailableError):
            client.wait_ready(timeout=0.3)
        assert time.monotonic() - started < 5
        with pytest.raises(ClientError):
            client.list_models()


@asynchronous
async def test_the_async_client_does_the_same():
    async def microphone():
        for chunk in cut(COMMANDS_CONTENT, [3_200] * 20):
            yield chunk

    async with running_server(max_in_flight_seconds=2.0) as server, AsyncCommandClient(server.address) as client:
        assert (await client.wait_ready()).default_model == "home"
        assert (await client.server_info()).limits.max_in_flight_audio == 2.0
        assert [model.name for model in await client.list_models()] == ["home"]
        assert labels([event async for event in client.stream(microphone())]) == LABELS
        assert labels([event async for event in client.stream([COMMANDS_CONTENT] * 4)]) == LABELS * 4
        clip = await client.recognize(COMMANDS_CONTENT, "LINEAR16", sample_rate_hertz=16_000)
        assert [detection.label for detection in clip.detections] == LABELS
        with pytest.raises(errors.InvalidRequestError):
            await client.recognize(b"")
        with pytest.raises(errors.InvalidRequestError):
            [event async for event in client.stream([], sample_rate_hertz=1)]
        await until(lambda: server.admission.num_calls == 0)


@asynchronous
async def test_the_async_client_raises_what_the_chunks_raise_and_cancels_when_left():
    async def unplugged():
        yield COMMANDS_CONTENT
        raise OSError("unplugged")

    async def endless():
        while True:
            yield COMMANDS_CONTENT
            await asyncio.sleep(0)

    async with running_server() as server, AsyncCommandClient(server.address) as client:
        with pytest.raises(OSError, match="unplugged"):
            [event async for event in client.stream(unplugged())]
        events = client.stream(endless())
        assert isinstance(await anext(events), Started)
        await events.aclose()
        await until(lambda: server.admission.num_streams == 0)


@asynchronous
async def test_the_async_client_waits_only_so_long():
    async with AsyncCommandClient("127.0.0.1:1") as client:
        with pytest.raises(errors.UnavailableError):
            await client.wait_ready(timeout=0.3)
