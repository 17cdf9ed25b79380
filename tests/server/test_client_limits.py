"""Bounds of clients and connections: streams of one client, idle ones, models that take too long, old connections."""

from __future__ import annotations

import asyncio

import grpc

from speechtune_client import AsyncCommandClient
from speechtune_client.v1 import command_recognition_pb2 as pb
from tests.support.keys import RECOGNISE, key_file
from tests.support.serving import (
    COMMANDS_CONTENT,
    ObedientScorer,
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
from tests.support.streaming import linear16, tone

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


async def opened(stub, **metadata):
    call = stub.StreamingRecognize(metadata=tuple(metadata.items()))
    await call.write(config())
    assert (await call.read()).HasField("started")
    return call


async def ended(call):
    await call.done_writing()
    return (await rest_of(call))[-1].ended


@asynchronous
async def test_one_address_may_not_take_all_streams_and_gets_its_place_back():
    async with running_server(max_streams_per_client=2) as server, stub_of(server) as one, stub_of(server) as other:
        calls = [await opened(one), await opened(other)]  # another connection is the same client
        refused = await refusal(responses(one, [config()]))
        assert (refused.code, refused.retry_seconds) == (EXHAUSTED, 1.0)
        assert "this client has 2" in refused.message
        await ended(calls[0])
        await until(lambda: server.admission.num_streams == 1)
        await ended(await opened(one))
        limits = (await one.GetServerInfo(pb.GetServerInfoRequest())).limits
        assert limits.max_streams_per_client == 2


@asynchronous
async def test_with_keys_the_key_is_the_client_and_not_its_address(tmp_path):
    tokens = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None), garden=(RECOGNISE, None))
    kitchen, garden = (f"Bearer {tokens[name]}" for name in ("kitchen", "garden"))
    settings = {"max_streams_per_client": 1, "keys": tmp_path / "keys.toml"}
    async with running_server(**settings) as server, stub_of(server) as stub:
        await opened(stub, authorization=kitchen)
        await opened(stub, authorization=garden)
        call = stub.StreamingRecognize(iter([config()]), metadata=(("authorization", kitchen),))
        assert await call.code() is EXHAUSTED


@asynchronous
async def test_a_stream_that_sends_nothing_is_ended_with_what_it_said_before():
    async with running_server(max_idle_seconds=0.2) as server, stub_of(server) as stub:
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.write(audio(COMMANDS_CONTENT))
        answers = [answer async for answer in call]
        assert [detection.label for detection in detections(answers)] == ["low", "high"]
        assert answers[-1].ended.reason == pb.Ended.IDLE
        assert await call.code() is grpc.StatusCode.OK
        assert server.admission.num_streams == 0


@asynchronous
async def test_a_stream_that_neither_sends_nor_reads_gives_its_place_back():
    small = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1_024))
    async with running_server(max_idle_seconds=0.2, max_compute_seconds=0.3) as server, stub_of(server, *small) as stub:
        call = stub.StreamingRecognize()
        await call.write(config(detector={"hop_ms": 20}, events={"interims": True, "heartbeat_interval_ms": 100}))
        await call.write(audio(linear16(tone(250, 29 * 16_000))))  # more to say of it than a client that is deaf takes
        await asyncio.sleep(0.4)
        assert server.admission.num_streams == 1
        await until(lambda: server.admission.num_streams == 0)
        call.cancel()


@asynchronous
async def test_a_stream_that_never_begins_gives_its_place_back_whatever_the_settings(monkeypatch):
    monkeypatch.setattr("speechtune_server.live.conversation._CONFIG_SECONDS", 0.2)
    async with running_server() as server, stub_of(server) as stub:
        refused = await refusal(stub.StreamingRecognize().read())
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert "did not begin within 0.2 s" in refused.message
        await until(lambda: server.admission.num_streams == 0)


@asynchronous
async def test_where_a_second_has_many_bytes_they_bound_the_audio_in_flight_and_started_says_so():
    wide = pb.AudioSpec(encoding=pb.FLOAT32, sample_rate_hertz=96_000, channels=8)
    scorer = ObedientScorer()
    async with running_server(scorer, max_in_flight_bytes=1 << 20) as server, stub_of(server) as stub:
        limits = (await stub.GetServerInfo(pb.GetServerInfoRequest())).limits
        assert (limits.max_in_flight_bytes, limits.max_in_flight_audio.seconds) == (1 << 20, 30)
        call = stub.StreamingRecognize()
        await call.write(config(audio=wide))
        started = (await call.read()).started
        assert started.limits.max_in_flight_audio.ToMilliseconds() == (1 << 20) * 1_000 // (96_000 * 8 * 4)
        await call.write(audio(bytes(3 << 20)))  # 1 s
        refused = await refusal(call.read())
        assert (refused.code, refused.retry_seconds) == (EXHAUSTED, 1.0)
        answers = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        assert answers[0].started.limits.max_in_flight_audio.seconds == 30
        assert len(detections(answers)) == 2


@asynchronous
async def test_a_stream_that_sends_a_little_now_and_then_is_not_idle():
    async with running_server(max_idle_seconds=0.3) as server, stub_of(server) as stub:
        call = await opened(stub)
        for _ in range(10):
            await asyncio.sleep(0.05)
            await call.write(audio(b"\0"))
        assert (await ended(call)).reason == pb.Ended.CLIENT_FINISHED


@asynchronous
async def test_a_model_that_takes_too_long_fails_its_streams_at_once_and_says_where_to_go():
    scorer = ObedientScorer()
    async with running_server(scorer, max_compute_seconds=0.2, num_workers=1) as server, stub_of(server) as stub:
        scorer.may_go.clear()
        refused = await refusal(responses(stub, [config(), audio(COMMANDS_CONTENT)]))
        assert (refused.code, refused.retry_seconds) == (grpc.StatusCode.UNAVAILABLE, 1.0)
        assert "did not answer within 0.2 s" in refused.message
        assert server.admission.num_streams == 0
        scorer.may_go.set()
        await until(lambda: server._runner.num_waiting == 0)
        answers = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        assert len(detections(answers)) == 2


@asynchronous
async def test_an_old_connection_is_replaced_unseen_while_its_stream_goes_on():
    async with running_server(max_connection_age_seconds=1.0) as server, stub_of(server) as stub:
        call = await opened(stub)
        await asyncio.sleep(1.4)  # grpc spreads ages by a tenth
        async with AsyncCommandClient(server.address) as client:
            assert (await client.server_info()).num_active_streams == 1
        await stub.GetServerInfo(pb.GetServerInfoRequest())
        await call.write(audio(COMMANDS_CONTENT))
        await call.done_writing()
        answers = await rest_of(call)
        assert len(detections(answers)) == 2
