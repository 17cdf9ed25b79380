"""Clients that nobody expects: each is told what is wrong, or served, and leaves nothing behind."""

from __future__ import annotations

import grpc
import pytest

from speechtune_client.v1 import command_recognition_pb2 as pb
from tests.support.serving import (
    COMMANDS_CONTENT,
    GRPC,
    asynchronous,
    audio,
    config,
    detections,
    each_door,
    kinds,
    refusal,
    responses,
    rest_of,
    running_server,
    stub_of,
    until,
)

FLUSH = pb.StreamingRecognizeRequest(control={"flush": {}})
RESET = pb.StreamingRecognizeRequest(control={"reset": {}})


@each_door
@asynchronous
async def test_deadlines_too_short_for_anything_are_nobodys_fault_and_leave_no_stream_open(caplog, door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        statuses = set()
        for number in range(60):
            call = stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT)]), timeout=0.001 * (number % 6 + 1))
            # What grpc's client says of itself where the deadline falls between two of its writes.
            if (await call.details()) != "Internal error from Core":
                statuses.add((await call.code()).name)
        assert statuses <= {"DEADLINE_EXCEEDED", "CANCELLED", "OK"}
        await until(lambda: server.admission.num_calls == 0)
        assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("model", ["../../etc/passwd", "home/", "HOME", "home@../d1", "\x00", "ü" * 1_000])
@asynchronous
async def test_a_name_is_looked_up_and_never_opened(model):
    async with running_server() as server, stub_of(server) as stub:
        for call in (
            responses(stub, [config(model=model)]),
            stub.Recognize(pb.RecognizeRequest(model=model, audio=config().config.audio, content=COMMANDS_CONTENT)),
        ):
            refused = await refusal(call)
            assert refused.code is grpc.StatusCode.NOT_FOUND
            assert len(refused.message.encode()) <= 1_100


@each_door
@asynchronous
async def test_a_message_larger_than_any_may_be_ends_its_stream_and_no_other(door):
    async with (
        running_server(max_content_bytes=40_000, door=door) as server,
        stub_of(server, door=door) as stub,
        stub_of(server, door=door) as other,
    ):
        call = other.StreamingRecognize()
        await call.write(config())
        refused = await refusal(responses(stub, [config(), audio(bytes(200_000))]))
        assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ("larger than max" if door == GRPC else "1009") in refused.message
        await until(lambda: server.admission.num_streams == 1)
        await call.write(audio(COMMANDS_CONTENT[:32_000]))
        await call.done_writing()
        assert kinds(await rest_of(call))[-1] == "ended"


@each_door
@asynchronous
async def test_orders_before_any_audio_do_no_harm(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        update = pb.StreamingRecognizeRequest(control={"update_commands": {"commands": [{"label": "high"}]}})
        answers = await responses(stub, [config(), FLUSH, RESET, FLUSH, update, audio(COMMANDS_CONTENT)])
    assert kinds(answers) == ["started", "detection", "ended"]
    assert detections(answers)[0].label == "high"


@pytest.mark.parametrize("order", [FLUSH, RESET])
@each_door
@asynchronous
async def test_no_two_events_of_a_stream_have_the_same_id_whatever_comes_between(order, door):
    requests = [config(), *[audio(COMMANDS_CONTENT), order] * 3]
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        found = detections(await responses(stub, requests))
    assert [one.label for one in found] == ["low", "high"] * 3
    assert len({one.event_id for one in found}) == 6
    starts = [one.start_offset.ToNanoseconds() for one in found]
    assert starts == sorted(starts)
