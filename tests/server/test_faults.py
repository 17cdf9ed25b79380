"""Hostile and broken clients: nobody makes the server fail, and nobody else is held up."""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections import Counter
from contextlib import suppress

import grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.decoding.forms import FileEncoding
from speechtune_server.decoding.ogg import page_check_sum
from speechtune_server.live.file_samples import samples_of_file
from speechtune_server.live.messages import FileForm
from tests.support.files import flac_frames, in_form
from tests.support.hostile import connect_at_once, send_malformed, send_malformed_events, send_malformed_texts
from tests.support.serving import (
    COMMANDS,
    COMMANDS_CONTENT,
    GRPC,
    WEBSOCKET,
    WYOMING,
    asynchronous,
    audio,
    config,
    detections,
    every_door,
    refusal,
    responses,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import LoudnessActivity, PitchScorer

THE_CLIENTS_FAULT = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "REFUSED WHILE WRITING",
}  # fmt: skip


MALFORMED = {
    GRPC: (send_malformed, 1_000),
    WEBSOCKET: (send_malformed_texts, 300),
    WYOMING: (send_malformed_events, 300),
}


@every_door
@asynchronous
async def test_no_malformed_request_is_ever_our_fault(tmp_path, caplog, door):
    """A thousand here; ten thousand with `python -m benchmarks.hostile_clients`."""
    with caplog.at_level(logging.ERROR):
        settings = {"open_admin": True, "model_folder": tmp_path, "max_streams": 1_000, "max_clips": 1_000}
        async with running_server(**settings, door=door) as server, stub_of(server, door=door) as stub:
            address = server.address if door == GRPC else server.doors.addresses[door]
            send, number = MALFORMED[door]
            statuses = await send(address, number, seed=time.time_ns() % 1_000_000)
            assert set(statuses) <= THE_CLIENTS_FAULT, statuses
            await until(lambda: server.admission.num_calls == 0)
            assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2
    assert caplog.text == ""


async def _at_once(stub, num_connections, on_open):
    async def device():
        call = stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT)]))
        with suppress(grpc.aio.AioRpcError):
            async for _ in call:
                on_open()
        return (await call.code()).name

    return Counter(await asyncio.gather(*(device() for _ in range(num_connections))))


@every_door
@asynchronous
async def test_a_burst_of_connections_is_answered_one_by_one_at_once_and_the_count_is_exact(door):
    """A hundred here; a thousand with `python -m benchmarks.hostile_clients`."""
    most = 0
    async with running_server(max_streams=4, door=door) as server, stub_of(server, door=door) as stub:

        def look():
            nonlocal most
            most = max(most, server.admission.num_streams)

        if door == GRPC:
            first, second = (message.SerializeToString() for message in (config(), audio(COMMANDS_CONTENT)))
            statuses = await connect_at_once(server.address, 100, first, second, look)
        else:
            statuses = await _at_once(stub, 100, look)
        assert set(statuses) == {"OK", "RESOURCE_EXHAUSTED"}
        assert statuses.total() == 100
        assert statuses["OK"] >= 4
        assert most <= 4
        await until(lambda: server.admission.num_calls == 0)
        assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2


@every_door
@asynchronous
async def test_clients_that_send_a_byte_now_and_then_cost_nobody_else_anything(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        slow = []
        for _ in range(20):
            call = stub.StreamingRecognize()
            await call.write(config())
            slow.append(call)
        done = asyncio.Event()

        async def drip(call):
            while not done.is_set():
                await call.write(audio(b"\x01"))
                await asyncio.sleep(0.02)

        dripping = [asyncio.create_task(drip(call)) for call in slow]
        started = time.monotonic()
        for _ in range(5):
            assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2
        assert time.monotonic() - started < 10
        assert server.admission.num_streams == 20
        done.set()
        await asyncio.gather(*dripping)
        for call in slow:
            call.cancel()
        await until(lambda: server.admission.num_streams == 0)


class Stumbling(PitchScorer):
    """Raises whatever comes to its mind, every second time."""

    kinds = (ValueError, MemoryError, KeyError, RuntimeError, OSError)

    def score(self, windows):
        self.num_windows += 1
        if self.num_windows % 2:
            raise self.kinds[self.num_windows // 2 % len(self.kinds)]("secret")
        return super().score(windows)


@every_door
@asynchronous
async def test_a_runner_that_raises_anything_fails_only_the_streams_it_was_asked_by(door):
    statuses = []
    async with running_server(Stumbling(), max_batch=1, door=door) as server, stub_of(server, door=door) as stub:
        for _ in range(12):
            call = stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT[:40_000])]))
            with suppress(grpc.aio.AioRpcError):
                _ = [answer async for answer in call]
            statuses.append((await call.code()).name)
            assert "secret" not in (await call.details())
        await until(lambda: server.admission.num_calls == 0)
        assert server._runner.num_waiting == 0
    assert set(statuses) == {"OK", "INTERNAL"}


@asynchronous
async def test_a_generic_client_learns_the_contract_by_reflection_and_makes_a_call():
    """As grpcurl does: no code of ours on its side."""
    pool = descriptor_pool.DescriptorPool()
    async with running_server() as server, grpc.aio.insecure_channel(server.address) as channel:
        reflected = reflection_pb2_grpc.ServerReflectionStub(channel)

        async def learn(**question):
            request = reflection_pb2.ServerReflectionRequest(**question)
            answer = await reflected.ServerReflectionInfo(iter([request])).read()
            for content in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(content)
                for dependency in file.dependency:
                    await learn(file_by_filename=dependency)
                pool.Add(file)

        await learn(file_containing_symbol="speechtune.v1.CommandRecognition")
        method = pool.FindServiceByName("speechtune.v1.CommandRecognition").FindMethodByName("Recognize")
        ask, answer = (message_factory.GetMessageClass(one) for one in (method.input_type, method.output_type))
        request = ask(content=COMMANDS_CONTENT)
        request.audio.encoding = (
            pool.FindEnumTypeByName("speechtune.v1.AudioEncoding").values_by_name["LINEAR16"].number
        )
        request.audio.sample_rate_hertz = 16_000
        content = await channel.unary_unary("/speechtune.v1.CommandRecognition/Recognize")(request.SerializeToString())
        assert [one.label for one in answer.FromString(content).detections] == ["low", "high"]


class _SlowActivity(LoudnessActivity):
    def probabilities_together(self, requests):
        time.sleep(0.3)
        return super().probabilities_together(requests)


@every_door
@asynchronous
async def test_a_batch_that_times_out_tells_all_of_its_streams_the_same(caplog, door):
    async def status(stub):
        return (await refusal(responses(stub, [config(), audio(COMMANDS_CONTENT)]))).code

    with caplog.at_level(logging.ERROR):
        settings = {"max_compute_seconds": 0.1, "max_wait_ms": 50.0}
        async with (
            running_server(activity=_SlowActivity(), **settings, door=door) as server,
            stub_of(server, door=door) as stub,
        ):
            statuses = await asyncio.gather(*(status(stub) for _ in range(6)))
            await until(lambda: server.admission.num_calls == 0)
    assert set(statuses) == {grpc.StatusCode.UNAVAILABLE}
    assert all("did not end within" in line for line in caplog.text.splitlines())


async def _turns_of_others(reading):
    """How often others get their turn while `reading` goes on."""
    task, num_turns = asyncio.create_task(reading), 0
    while not task.done():
        num_turns += 1
        await asyncio.sleep(0)
    task.result()
    return num_turns


async def _read(encoding, content):
    async def chunks():
        yield content

    try:
        _, samples = await samples_of_file(FileForm(encoding), chunks(), [])
        async for _ in samples:
            pass
    except (UnreadableAudioError, InvalidRequestError):
        pass


@asynchronous
async def test_a_file_that_is_long_to_read_and_holds_nothing_stops_nobody():
    opus = in_form("OGG_OPUS", COMMANDS)
    ends = [place for place in range(len(opus)) if opus.startswith(b"OggS", place)]
    serial = struct.unpack_from("<I", opus, 14)[0]
    empty = [struct.pack("<4sBBqIIIB", b"OggS", 0, 0, -1, serial, 2 + n, 0, 0) for n in range(30_000)]
    pages = b"".join(page[:22] + struct.pack("<I", page_check_sum(page)) + page[26:] for page in empty)
    assert await _turns_of_others(_read(FileEncoding.OGG_OPUS, opus[: ends[2]] + pages)) >= 5
    flac = in_form("FLAC", np.random.default_rng(0).uniform(-0.5, 0.5, 65_535), 8_000, "PCM_24")
    header, frames = flac_frames(flac)
    assert await _turns_of_others(_read(FileEncoding.FLAC, header + frames[0][:20] + frames[0][:2] * 60_000)) >= 5
