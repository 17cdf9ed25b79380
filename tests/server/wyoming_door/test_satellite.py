"""The Wyoming door, by the package's own client: as Home Assistant and as satellites call it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping
from wyoming.wake import Detect, Detection

from speechtune.errors import ConfigError
from speechtune.labels import LabelSet
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.process.config import server_config
from tests.support.serving import (
    COMMANDS_CONTENT,
    DIGEST,
    ObedientScorer,
    asynchronous,
    audio,
    config,
    detections,
    responses,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import PitchScorer, cut, linear16, quiet, tone

LOCAL = "tcp://127.0.0.1:0"
FORM = {"rate": 16_000, "width": 2, "channels": 1}
LOW = linear16(np.concatenate([quiet(9_000), tone(250, 6_000), quiet(12_000)]))


def uri_of(server):
    return server.doors.addresses["wyoming"]


@asynccontextmanager
async def client_of(server):
    client = AsyncClient.from_uri(uri_of(server))
    await client.connect()
    try:
        yield client
    finally:
        # The package waits until the other side closes; a device that goes does not.
        client._writer.transport.abort()


async def say(client, *events):
    for event in events:
        await client.write_event(event if isinstance(event, Event) else event.event())


async def spoken(client, content, start=True, stop=True, size=2_048, timestamp=None):
    if start:
        await say(client, AudioStart(**FORM, timestamp=timestamp))
    for place in range(0, len(content), size):
        await say(client, AudioChunk(**FORM, audio=content[place : place + size]))
    if stop:
        await say(client, AudioStop())


async def told(client, number):
    return [await asyncio.wait_for(client.read_event(), 10) for _ in range(number)]


def shown(events):
    return [event and (event.data.get("name") or event.type) for event in events]


async def first_wake_word(uri, wake_word, chunks, chunk_seconds=0.0):
    """As the wake word entity of Home Assistant does: audio out and events in side by side, until the word is heard."""
    async with AsyncClient.from_uri(uri) as client:
        await say(client, Detect(names=[wake_word] if wake_word else None), AudioStart(**FORM))

        async def send():
            for number, chunk in enumerate(chunks):
                await say(client, AudioChunk(**FORM, audio=chunk, timestamp=number * 64))
                await asyncio.sleep(chunk_seconds)
            await asyncio.Event().wait()

        sending = asyncio.create_task(send())
        try:
            while (event := await client.read_event()) is not None:
                if Detection.is_type(event.type):
                    return Detection.from_event(event)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
    return None


@asynchronous
async def test_home_assistant_learns_the_wake_words_and_hears_the_one_it_asks_for():
    async with running_server(wyoming_uri=LOCAL) as server:
        async with client_of(server) as client:
            await say(client, Describe())
            info = Info.from_event((await told(client, 1))[0])
        (program,) = info.wake
        assert (program.name, program.installed) == ("speechtune", True)
        assert [(word.name, word.phrase) for word in program.models] == [("low", "low"), ("high", "high")]
        chunks = cut(COMMANDS_CONTENT, [2_048] * 40)
        for wake_word, expected, end_ms in ((None, "low", 960), ("low", "low", 960), ("high", "high", 2_016)):
            detection = await asyncio.wait_for(first_wake_word(uri_of(server), wake_word, chunks), 10)
            assert (detection.name, detection.timestamp) == (expected, end_ms)
        await until(lambda: server.admission.num_calls == 0)


@asynchronous
async def test_it_hears_what_grpc_hears_and_says_where_it_ended():
    async with running_server(wyoming_uri=LOCAL) as server, stub_of(server) as stub, client_of(server) as client:
        found = detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))
        await spoken(client, COMMANDS_CONTENT, timestamp=5_000, size=1_001)
        events = await told(client, len(found))
    ends_ms = [5_000 + one.end_offset.ToMilliseconds() for one in found]
    assert [(event.data["name"], event.data["timestamp"]) for event in events] == [
        (one.label, end_ms) for one, end_ms in zip(found, ends_ms, strict=True)
    ]


@asynchronous
async def test_a_satellite_pauses_and_goes_on_over_the_same_connection():
    async with running_server(wyoming_uri=LOCAL) as server, client_of(server) as client:
        await say(client, Detect(names=["low"]))
        for _ in range(2):
            await spoken(client, COMMANDS_CONTENT)
            assert shown(await told(client, 1)) == ["low"]
            await spoken(client, linear16(quiet(8_000)))
            assert shown(await told(client, 1)) == ["not-detected"]
            assert server.admission.num_calls == 0  # who pauses keeps no place
        await say(client, Detect(names=["high"]))
        await spoken(client, COMMANDS_CONTENT)
        assert shown(await told(client, 1)) == ["high"]


@asynchronous
async def test_a_word_at_the_end_is_decided_before_the_client_is_told_that_there_was_none():
    async with running_server(wyoming_uri=LOCAL) as server, client_of(server) as client:
        await spoken(client, LOW[: 2 * 15_000])
        assert shown(await told(client, 1)) == ["low"]
        await spoken(client, b"")
        assert shown(await told(client, 1)) == ["not-detected"]
        await say(client, AudioStop())
        assert shown(await told(client, 1)) == ["not-detected"]


@asynchronous
async def test_several_satellites_are_heard_side_by_side():
    async with running_server(wyoming_uri=LOCAL) as server:
        chunks = cut(COMMANDS_CONTENT, [2_048] * 60)
        words = ["low", "high", None, "high", "low", None]
        heard = await asyncio.gather(*(first_wake_word(uri_of(server), word, chunks, 0.002) for word in words))
        assert [detection.name for detection in heard] == ["low", "high", "low", "high", "low", "low"]


@asynchronous
async def test_chunks_without_a_start_and_a_start_without_a_stop_begin_a_stream():
    async with running_server(wyoming_uri=LOCAL) as server, client_of(server) as client:
        await spoken(client, COMMANDS_CONTENT, start=False)
        assert shown(await told(client, 2)) == ["low", "high"]
        await spoken(client, LOW, stop=False)
        await spoken(client, linear16(quiet(4_000)))
        # What was found before the second start is not found after it.
        assert shown(await told(client, 2)) == ["low", "not-detected"]


@asynchronous
async def test_other_names_inside_a_stream_hold_from_there_on():
    async with running_server(wyoming_uri=LOCAL) as server, client_of(server) as client:
        await say(client, Detect(names=["high"]))
        await spoken(client, LOW, stop=False)
        await say(client, Ping(text="so far"), Describe(), Detect(names=["low"]))
        await spoken(client, COMMANDS_CONTENT, start=False)
        events = await told(client, 3)
    assert shown(events) == ["pong", "info", "low"]


@asynchronous
async def test_words_of_other_models_have_the_models_name_before_them():
    def load(name, folder):
        words = ("low", "high") if name == "home" else ("stop", "high")
        return ServedModel(name, DIGEST, PitchScorer(LabelSet(words, ("_unknown_",)), dict.fromkeys(words, 0.5)))

    models = {"home": "home", "garden": "garden"}
    async with running_server(load=load, models=models, wyoming_uri=LOCAL) as server, client_of(server) as client:
        await say(client, Describe(), Detect(names=["garden/stop"]))
        await spoken(client, COMMANDS_CONTENT)
        info, event = await told(client, 2)
        names = [word.name for word in Info.from_event(info).wake[0].models]
        assert names == ["low", "high", "garden/stop", "garden/high"]
        assert event.data["name"] == "garden/stop"
        await say(client, Detect(names=["garden/stop", "low"]))
        await spoken(client, COMMANDS_CONTENT)
        (event,) = await told(client, 1)
        assert "several models" in Error.from_event(event).text


@pytest.mark.parametrize(
    ("event", "code", "hint"),
    [
        (Detect(names=["nobody"]).event(), "INVALID_ARGUMENT", "low, high"),
        (Event("detect", {"names": "low"}), "INVALID_ARGUMENT", "list of names"),
        (Event("detect", {"names": [1]}), "INVALID_ARGUMENT", "list of names"),
        (AudioStart(rate=16_000, width=4, channels=1).event(), "INVALID_ARGUMENT", "16-bit"),
        (AudioStart(rate=4_000, width=2, channels=1).event(), "INVALID_ARGUMENT", "8000 to 96000"),
        (AudioStart(rate=16_000, width=2, channels=9).event(), "INVALID_ARGUMENT", "1 to 8"),
        (Event("audio-start", {}), "INVALID_ARGUMENT", "rate"),
        (Event("audio-start", {**FORM, "timestamp": "now"}), "INVALID_ARGUMENT", "timestamp"),
        (Event("audio-start", {**FORM, "rate": True}), "INVALID_ARGUMENT", "rate"),
        (AudioChunk(**FORM, audio=bytes(300_000)).event(), "RESOURCE_EXHAUSTED", "262144 bytes are the limit"),
    ],
)
@asynchronous
async def test_what_cannot_be_done_is_told_and_ends_the_connection(event, code, hint):
    async with running_server(wyoming_uri=LOCAL) as server, client_of(server) as client:
        await say(client, event)
        await spoken(client, COMMANDS_CONTENT)  # which nobody wants any more, and which takes nothing away
        refused, end = await told(client, 2)
        assert Error.from_event(refused).code == code
        assert hint in Error.from_event(refused).text
        assert end is None
        await until(lambda: server.admission.num_calls == 0)


@asynchronous
async def test_a_form_that_changes_inside_a_stream_is_refused():
    async with running_server(wyoming_uri=LOCAL) as server, client_of(server) as client:
        await say(client, AudioStart(**FORM), AudioChunk(rate=48_000, width=2, channels=1, audio=bytes(2_000)))
        assert "form of the audio changes" in (await told(client, 1))[0].data["text"]


@asynchronous
async def test_places_are_those_of_the_other_doors():
    async with running_server(wyoming_uri=LOCAL, max_streams_per_client=1) as server, stub_of(server) as stub:
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.read()
        async with client_of(server) as client:
            await say(client, AudioStart(**FORM))
            assert Error.from_event((await told(client, 1))[0]).code == "RESOURCE_EXHAUSTED"
        call.cancel()
        await until(lambda: server.admission.num_calls == 0)
        async with client_of(server) as client:
            await spoken(client, LOW)
            assert shown(await told(client, 1)) == ["low"]


@asynchronous
async def test_a_drain_answers_what_came_and_closes():
    async with running_server(wyoming_uri=LOCAL) as server, client_of(server) as client, client_of(server) as paused:
        await say(paused, Ping(text="here"))
        await told(paused, 1)
        await spoken(client, LOW[: 2 * 15_000], stop=False)
        await until(lambda: server.admission.num_calls == 1)
        await say(client, Ping(text="all of it came"))
        await told(client, 1)
        stopping = asyncio.create_task(server.stop())
        assert shown(await told(client, 1)) == ["low"]
        await spoken(client, COMMANDS_CONTENT, start=False)  # as a satellite does that has not noticed
        assert await told(client, 1) == [None]
        await stopping
        with suppress(ConnectionError):
            assert await told(paused, 1) == [None]


@asynchronous
async def test_a_stream_that_the_server_ends_goes_on_with_the_next_chunk():
    async with running_server(wyoming_uri=LOCAL, max_idle_seconds=0.15) as server, client_of(server) as client:
        await spoken(client, LOW, stop=False)
        assert shown(await told(client, 1)) == ["low"]
        await until(lambda: server.admission.num_calls == 0)  # it was idle
        # The head of a chunk, and its payload only once the stream it began is ended.
        head = json.dumps({"type": "audio-chunk", "data": FORM, "payload_length": len(LOW)}).encode() + b"\n"
        client._writer.write(head)
        client._writer.write(LOW)
        assert shown(await told(client, 1)) == ["low"]
        await say(client, AudioStop(), Ping())
        assert shown(await told(client, 1)) == ["pong"]


@asynchronous
async def test_our_fault_tells_the_request_id_and_nothing_else(caplog):
    async with running_server(ObedientScorer(fails=True), wyoming_uri=LOCAL) as server, client_of(server) as client:
        await spoken(client, LOW)
        error = Error.from_event((await told(client, 1))[0])
    assert error.code == "INTERNAL"
    request_id = error.text.removeprefix("internal error, request id ")
    assert request_id in caplog.text
    assert "secret" not in error.text


@asynchronous
async def test_a_connection_that_says_nothing_is_closed_and_one_that_pauses_is_not(monkeypatch):
    monkeypatch.setattr("speechtune_server.wyoming_door.satellite._FIRST_EVENT_SECONDS", 0.1)
    async with running_server(wyoming_uri=LOCAL) as server:
        async with client_of(server) as silent, client_of(server) as paused:
            await say(paused, Ping())
            assert await told(silent, 1) == [None]
            await asyncio.sleep(0.2)
            await spoken(paused, LOW)
            assert shown(await told(paused, 2)) == ["pong", "low"]
        (door,) = server.doors._open
        await until(lambda: door.num_connections == 0)


@pytest.mark.parametrize("first", [(), (AudioStart(**FORM),)], ids=["paused", "streaming"])
@asynchronous
async def test_a_client_that_reads_nothing_is_cut_off(first, monkeypatch, caplog):
    monkeypatch.setattr("speechtune_server.wyoming_door.satellite._UNREAD_SECONDS", 0.5)
    monkeypatch.setattr("speechtune_server.wyoming_door.satellite._FAREWELL_SECONDS", 0.2)
    async with running_server(wyoming_uri=LOCAL, max_in_flight_seconds=8.0) as server:
        (door,) = server.doors._open
        async with client_of(server) as deaf:
            deaf._writer.transport.abort()
            small = socket.socket()
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            small.connect(("127.0.0.1", int(uri_of(server).rpartition(":")[2])))
            deaf._reader, deaf._writer = await asyncio.open_connection(sock=small)
            deaf._writer.transport.pause_reading()
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(_ask_for_ever(deaf, *first), 15)
            await until(lambda: door.num_connections == 0)
        async with client_of(server) as other:
            await spoken(other, LOW)
            assert shown(await told(other, 1)) == ["low"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def _ask_for_ever(client, *first):
    await say(client, *first)
    question, chunk = Ping(text="x" * 50_000).event(), AudioChunk(**FORM, audio=bytes(64_000)).event()
    while True:
        await say(client, question, *([chunk] if first else []))
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"wyoming_uri": "127.0.0.1:10400"}, "tcp://HOST:PORT"),
        ({"wyoming_uri": "unix:///run/wyoming"}, "tcp://HOST:PORT"),
        ({"wyoming_uri": "tcp://127.0.0.1"}, "HOST:PORT"),
        ({"wyoming_uri": "tcp://0.0.0.0:10400"}, "neither TLS nor keys"),
        ({"wyoming_uri": "tcp://127.0.0.1:10400", "keys": "keys.toml"}, "wyoming_without_keys"),
        ({"wyoming_zeroconf": "home"}, "needs wyoming_uri"),
    ],
)
def test_settings_that_would_open_more_than_was_meant_are_refused(settings, hint):
    with pytest.raises(ConfigError, match=hint):
        server_config(models={"home": "home"}, **settings)


def test_settings_that_say_that_it_is_meant_are_taken():
    server_config(models={"home": "home"}, wyoming_uri="tcp://0.0.0.0:10400", allow_plaintext=True)
    local = {"wyoming_uri": "tcp://127.0.0.1:10400", "keys": "keys.toml", "wyoming_without_keys": True}
    server_config(models={"home": "home"}, **local)
