"""What clients can make the server hold: nothing before they are let in, little but audio, nothing afterwards."""

from __future__ import annotations

import gc
import tracemalloc

import grpc
import pytest

from speechtune.errors import InvalidRequestError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.wire.parsing import MAX_SETTINGS_BYTES, parsed
from tests.support.keys import RECOGNISE, key_file
from tests.support.serving import (
    COMMANDS_CONTENT,
    LINEAR16_SPEC,
    asynchronous,
    audio,
    config,
    refusal,
    responses,
    running_server,
    stub_of,
    until,
)

RECOGNIZE = "/speechtune.v1.CommandRecognition/Recognize"
INVALID, EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
A_CLIP = pb.RecognizeRequest(audio=LINEAR16_SPEC, content=COMMANDS_CONTENT)
MANY_COMMANDS = [pb.CommandRule()] * (MAX_SETTINGS_BYTES // 2 + 1)


@asynchronous
async def test_who_is_not_let_in_is_told_so_before_the_clip_is_sent(tmp_path):
    key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None))
    async with (
        running_server(keys=tmp_path / "keys.toml") as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        call = channel.stream_unary(RECOGNIZE)()  # nothing is ever sent
        assert (await refusal(call)).code is grpc.StatusCode.UNAUTHENTICATED


@asynchronous
async def test_a_clip_is_counted_from_before_it_is_sent_until_it_is_answered():
    async with (
        running_server(max_clips=1) as server,
        grpc.aio.insecure_channel(server.address) as channel,
        stub_of(server) as stub,
    ):
        call = channel.stream_unary(RECOGNIZE)()
        await until(lambda: server.admission.num_calls == 1)
        await call.write(A_CLIP.SerializeToString())
        await call.done_writing()
        assert len(pb.RecognizeResponse.FromString(await call).detections) == 2
        await until(lambda: server.admission.num_calls == 0)
        ended = await refusal(channel.stream_unary(RECOGNIZE)(iter([])))
        assert (ended.code, ended.fields) == (INVALID, ("payload",))
        assert len((await stub.Recognize(A_CLIP)).detections) == 2


@asynchronous
async def test_a_clip_that_does_not_come_loses_its_place():
    settings = {"max_clips": 1, "max_body_seconds": 0.2}
    async with running_server(**settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        late = await refusal(channel.stream_unary(RECOGNIZE)())
        assert late.code is INVALID
        assert "did not come within 0.2 s" in late.message
        await until(lambda: server.admission.num_calls == 0)


@asynchronous
async def test_a_refused_call_keeps_nothing_of_its_audio():
    """Without help by the search for circles, which comes when it pleases."""
    too_long = pb.RecognizeRequest(audio=LINEAR16_SPEC, content=bytes(4_000_000))
    async with running_server(max_clip_seconds=1.0, max_in_flight_seconds=1.0) as server, stub_of(server) as stub:
        await refusal(stub.Recognize(too_long))
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(3):
                assert (await refusal(stub.Recognize(too_long))).code is EXHAUSTED
                assert (await refusal(responses(stub, [config(), audio(too_long.content)]))).code is EXHAUSTED
            await until(lambda: server.admission.num_calls == 0)
            await until(lambda: tracemalloc.get_traced_memory()[0] < 4_000_000)
        finally:
            tracemalloc.stop()
            gc.enable()


@asynchronous
async def test_more_settings_than_anybody_needs_are_refused_wherever_they_stand():
    crowded = config(commands=MANY_COMMANDS)
    update = pb.StreamingRecognizeRequest(control={"update_commands": {"commands": MANY_COMMANDS}})
    async with running_server() as server, stub_of(server) as stub:
        requests = [
            stub.Recognize(pb.RecognizeRequest(audio=LINEAR16_SPEC, commands=MANY_COMMANDS, content=COMMANDS_CONTENT)),
            responses(stub, [crowded]),
            responses(stub, [config(), update]),
        ]
        for call in requests:
            refused = await refusal(call)
            assert (refused.code, refused.fields) == (INVALID, ("request",))
            assert "131072 bytes beside its audio" in refused.message


@pytest.mark.parametrize("size", [0, MAX_SETTINGS_BYTES, 5_000_000])
def test_audio_of_any_size_is_not_counted(size):
    for request in (
        audio(bytes(size)),
        pb.RecognizeRequest(audio=LINEAR16_SPEC, model="home", content=bytes(size)),
    ):
        assert parsed(type(request).FromString, request.SerializeToString()) == request


@pytest.mark.parametrize(
    "content",
    [
        audio(bytes(10)).SerializeToString() + config(commands=MANY_COMMANDS).SerializeToString(),
        b"\x12\x00" * MAX_SETTINGS_BYTES,
        b"\xfa\x07\x00" * MAX_SETTINGS_BYTES,  # a field that is not known
        b"\x12" + bytes([0x80, 0x80, 0x20]) + b"\xfa\x07\x00" * MAX_SETTINGS_BYTES,  # inside the audio
        b"\x1b" * MAX_SETTINGS_BYTES * 2,
        b"\xff" * MAX_SETTINGS_BYTES * 2,
        b"\x12\xff\xff\xff\xff\x0f" + bytes(MAX_SETTINGS_BYTES),
        b"\x09" * MAX_SETTINGS_BYTES * 2,
    ],
)
def test_settings_are_counted_however_they_are_wrapped(content):
    with pytest.raises(InvalidRequestError):
        parsed(pb.StreamingRecognizeRequest.FromString, content)


@asynchronous
async def test_a_small_message_that_unpacks_to_a_large_one_is_refused():
    packed = {"compression": grpc.Compression.Gzip}
    async with (
        running_server(max_content_bytes=40_000) as server,
        grpc.aio.insecure_channel(server.address, options=[("grpc.max_send_message_length", -1)]) as channel,
    ):
        call = channel.unary_unary(RECOGNIZE)
        assert len(pb.RecognizeResponse.FromString(await call(_silence(30_000), **packed)).scores) == 4
        assert (await refusal(call(_silence(50_000_000), **packed))).code is EXHAUSTED
        await until(lambda: server.admission.num_calls == 0)


def _silence(num_bytes):
    return pb.RecognizeRequest(audio=LINEAR16_SPEC, content=bytes(num_bytes)).SerializeToString()
