"""Who says nothing keeps no place from who speaks, and no client keeps all places from the others."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from speechtune.errors import ServiceOverloadedError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.process.places import Places
from tests.support.serving import (
    COMMANDS_CONTENT,
    LINEAR16_SPEC,
    asynchronous,
    audio,
    config,
    detections,
    refusal,
    responses,
    rest_of,
    running_server,
    stub_of,
    until,
)

RECOGNIZE = "/speechtune.v1.CommandRecognition/Recognize"
A_CLIP = pb.RecognizeRequest(audio=LINEAR16_SPEC, content=COMMANDS_CONTENT)
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@asynchronous
async def test_calls_that_send_no_body_keep_no_place_from_those_that_do():
    async with (
        running_server() as server,
        grpc.aio.insecure_channel(server.address) as channel,
        stub_of(server) as stub,
    ):
        silent = [channel.stream_unary(RECOGNIZE)() for _ in range(16)]
        await until(lambda: server.admission.num_calls == 12)  # a client's share of 16
        answers = [await stub.Recognize(A_CLIP) for _ in range(20)]
        assert [len(answer.detections) for answer in answers] == [2] * 20
        ended, others = await asyncio.wait([asyncio.create_task(refusal(call)) for call in silent], timeout=0.5)
        refused = ended.pop().result()
        assert refused.code is EXHAUSTED
        assert refused.retry_seconds == 1.0
        assert "has sent nothing, and its place was given to another" in refused.message
        for call in silent:
            call.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await until(lambda: server.admission.num_calls == 0)


@asynchronous
async def test_streams_that_never_began_and_silent_ones_give_their_places_to_those_that_speak(monkeypatch):
    monkeypatch.setattr("speechtune_server.process.admission._UNBEGUN_SECONDS", 0.1)
    monkeypatch.setattr("speechtune_server.process.admission._SILENT_SECONDS", 0.3)
    async with running_server(max_streams=2) as server, stub_of(server) as stub:
        unbegun, silent = stub.StreamingRecognize(), stub.StreamingRecognize()
        await silent.write(config())
        await silent.write(audio(COMMANDS_CONTENT))
        await silent.read()
        await until(lambda: server.admission.num_streams == 2)
        await asyncio.sleep(0.15)
        speaking = stub.StreamingRecognize()
        await speaking.write(config())
        assert (await speaking.read()).HasField("started")
        assert (await refusal(unbegun.read())).code is EXHAUSTED
        for _ in range(5):
            await speaking.write(audio(bytes(3_200)))
            await asyncio.sleep(0.1)
        assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2
        answers = await rest_of(silent)
        assert len(detections(answers)) == 2
        assert answers[-1].ended.reason == pb.Ended.IDLE
        await speaking.done_writing()
        assert (await rest_of(speaking))[-1].ended.reason == pb.Ended.CLIENT_FINISHED
        await until(lambda: server.admission.num_calls == 0)


@asynchronous
async def test_a_silent_stream_that_reads_nothing_ends_by_force(monkeypatch):
    monkeypatch.setattr("speechtune_server.process.admission._SILENT_SECONDS", 0.1)
    small = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1_024))
    async with running_server(max_streams=1, max_compute_seconds=0.3) as server, stub_of(server, *small) as stub:
        deaf = stub.StreamingRecognize()
        await deaf.write(config(detector={"hop_ms": 20}, events={"interims": True, "heartbeat_interval_ms": 100}))
        await deaf.write(audio(COMMANDS_CONTENT * 8))
        await asyncio.sleep(0.4)
        assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2
        await until(lambda: server.admission.num_calls == 0)
        deaf.cancel()


@asynchronous
async def test_a_client_has_a_share_by_default_and_the_server_tells_it():
    async with running_server(max_streams=8) as server, stub_of(server) as stub:
        calls = [stub.StreamingRecognize() for _ in range(6)]
        for call in calls:
            await call.write(config())
            await call.read()
        refused = await refusal(responses(stub, [config()]))
        assert (refused.code, refused.retry_seconds) == (EXHAUSTED, 1.0)
        assert "this client has 6 streams" in refused.message
        limits = (await stub.GetServerInfo(pb.GetServerInfoRequest())).limits
        assert (limits.max_streams, limits.max_streams_per_client) == (8, 6)
        assert (limits.max_clips, limits.max_clips_per_client, limits.max_body.seconds) == (16, 12, 30)


class Held:
    def __init__(self, limit, per_client):
        self.seconds = 0.0
        self.given_up = []
        self.places = Places("calls", limit, per_client, lambda: self.seconds)

    def take(self, client, patience=1.0):
        name = f"{client}{len(self.given_up)}{self.seconds:g}"
        return self.places.take(client, patience, lambda: self.given_up.append(name))


def test_the_client_with_the_most_places_gives_way_first_and_its_longest_silent_call():
    held = Held(4, 4)
    held.take("few")
    for _ in range(3):
        held.seconds += 1.0
        held.take("many")
    held.seconds = 10.0
    held.take("new")
    assert held.given_up == ["many01"]
    assert len(held.places) == 4


def test_a_client_at_its_share_takes_no_place_of_another():
    held = Held(4, 2)
    held.take("quiet")
    held.seconds = 10.0
    busy = [held.take("busy"), held.take("busy")]
    with pytest.raises(ServiceOverloadedError, match="this client has 2 calls"):
        held.take("busy")
    assert held.given_up == []
    held.places.leave(busy[0])
    held.take("busy")


def test_who_speaks_keeps_its_place_and_who_left_frees_one():
    held = Held(1, 1)
    place = held.take("one")
    held.seconds = 10.0
    held.places.heard(place)
    with pytest.raises(ServiceOverloadedError, match="1 calls are at work"):
        held.take("other")
    held.places.leave(place)
    held.places.leave(place)
    held.take("other")
    assert len(held.places) == 1
