"""Bounds of streams: back-pressure, numbers, lengths, drains, clients that go away, models that fail."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.process.admission import ServiceState
from tests.support.clock import ScriptedClock
from tests.support.serving import (
    COMMANDS_CONTENT,
    ObedientScorer,
    asynchronous,
    audio,
    config,
    detections,
    each_door,
    every_door,
    kinds,
    refusal,
    responses,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import cut

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
SECOND = 32_000


async def reading(call):
    answers = []
    while (answer := await call.read()) is not grpc.aio.EOF:
        answers.append(answer)
    return answers


@each_door
@asynchronous
async def test_a_client_too_far_ahead_is_refused_at_once_and_told_when_to_come_again(door):
    scorer = ObedientScorer()
    async with (
        running_server(scorer, max_in_flight_seconds=4.0, door=door) as server,
        stub_of(server, door=door) as stub,
    ):
        scorer.may_go.clear()  # the stream waits for its first window
        refused = await refusal(responses(stub, [config(), audio(COMMANDS_CONTENT), audio(bytes(SECOND))]))
        assert (refused.code, refused.retry_seconds) == (EXHAUSTED, 1.0)
        assert "not yet processed" in refused.message
        assert server.admission.num_streams == 0
        scorer.may_go.set()


@every_door
@asynchronous
async def test_a_client_within_the_bound_loses_nothing_while_the_model_stalls(door):
    scorer = ObedientScorer()
    async with (
        running_server(scorer, max_in_flight_seconds=4.0, door=door) as server,
        stub_of(server, door=door) as stub,
    ):
        scorer.may_go.clear()
        answers = asyncio.create_task(responses(stub, [config(), *map(audio, cut(COMMANDS_CONTENT, [3_200] * 30))]))
        await until(lambda: server.admission.num_streams == 1)
        await asyncio.sleep(0.1)
        scorer.may_go.set()
        assert [detection.label for detection in detections(await answers)] == ["low", "high"]


@each_door
@asynchronous
async def test_audio_sent_as_fast_as_it_is_processed_is_never_too_much(door):
    async with running_server(max_in_flight_seconds=1.0, door=door) as server, stub_of(server, door=door) as stub:
        call = stub.StreamingRecognize()
        await call.write(config(events=pb.EventSelection(heartbeat_interval_ms=100)))
        for second in range(20):
            await call.write(audio(bytes(SECOND // 2)))
            target = (second + 1) * 500_000_000 - 100_000_000
            while (response := await call.read()).audio_processed.ToNanoseconds() < target:
                assert response is not grpc.aio.EOF
        await call.done_writing()
        rest = await reading(call)
    assert rest[-1].ended.statistics.audio_processed.ToSeconds() == 10


@asynchronous
async def test_one_stream_too_many_is_refused_and_the_count_is_exact():
    async with running_server(max_streams=2) as server, stub_of(server) as stub:
        calls = [stub.StreamingRecognize() for _ in range(2)]
        for call in calls:
            await call.write(config())
            await call.read()
        info = await stub.GetServerInfo(pb.GetServerInfoRequest())
        assert (info.num_active_streams, info.limits.max_streams) == (2, 2)
        refused = await refusal(responses(stub, [config()]))
        assert (refused.code, refused.retry_seconds) == (EXHAUSTED, 1.0)
        assert server.admission.num_streams == 2
        await calls[0].done_writing()
        await reading(calls[0])
        await until(lambda: server.admission.num_streams == 1)
        assert kinds(await responses(stub, [config()])) == ["started", "ended"]
        calls[1].cancel()
        await until(lambda: server.admission.num_streams == 0)


@every_door
@asynchronous
async def test_a_client_that_disappears_leaves_nothing_behind(door):
    scorer = ObedientScorer()
    async with running_server(scorer, door=door) as server:
        scorer.may_go.clear()
        for content in (b"", COMMANDS_CONTENT):
            # Once while the server waits for audio, once while a window of the stream is being scored.
            async with stub_of(server, door=door) as stub:
                call = stub.StreamingRecognize()
                await call.write(config())
                await call.write(audio(content))
                await call.read()
                assert server.admission.num_streams == 1
                await asyncio.sleep(0.05)
            await until(lambda: server.admission.num_streams == 0)
            assert server.admission.running == ()
        scorer.may_go.set()
        async with stub_of(server, door=door) as stub:
            assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2


@every_door
@asynchronous
async def test_a_client_that_never_reads_does_not_hold_up_the_others(door):
    async with (
        running_server(door=door) as server,
        stub_of(server, door=door) as stub,
        stub_of(server, door=door) as other,
    ):
        deaf = stub.StreamingRecognize()
        await deaf.write(config(events=pb.EventSelection(heartbeat_interval_ms=100)))
        await deaf.write(audio(COMMANDS_CONTENT))
        assert len(detections(await responses(other, [config(), audio(COMMANDS_CONTENT)]))) == 2
        deaf.cancel()
        await until(lambda: server.admission.num_streams == 0)


@each_door
@asynchronous
async def test_a_failing_batch_fails_its_own_streams_and_no_later_one(caplog, door):
    scorer = ObedientScorer(fails=True)
    async with running_server(scorer, door=door) as server, stub_of(server, door=door) as stub:
        refused = await refusal(responses(stub, [config(), audio(COMMANDS_CONTENT)]))
        assert refused.code is grpc.StatusCode.INTERNAL
        scorer.fails = False
        assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2
    assert refused.request_id
    assert refused.request_id in caplog.text
    assert "secret" in caplog.text


@each_door
@asynchronous
async def test_an_internal_error_tells_the_request_id_and_nothing_else(door):
    async with running_server(ObedientScorer(fails=True), door=door) as server, stub_of(server, door=door) as stub:
        call = stub.StreamingRecognize(
            iter([config(), audio(COMMANDS_CONTENT)]), metadata=(("x-request-id", "device-7"),)
        )
        refused = await refusal(reading(call))
        assert refused.message == "internal error, request id device-7"
        assert (refused.request_id, refused.num_details) == ("device-7", 1)
        assert dict(await call.initial_metadata())["x-request-id"] == "device-7"


@pytest.mark.parametrize("lengths", [[], [1_001] * 50])
@each_door
@asynchronous
async def test_a_configured_length_is_warned_of_and_ends_the_stream(lengths, door):
    async with running_server(max_stream_seconds=2.0, door=door) as server, stub_of(server, door=door) as stub:
        answers = await responses(stub, [config(), *map(audio, cut(COMMANDS_CONTENT, lengths))])
    assert answers[0].started.limits.max_stream_duration.ToSeconds() == 2
    assert kinds(answers)[-1] == "ended"
    assert answers[-1].ended.reason == pb.Ended.MAX_DURATION
    assert answers[-1].ended.statistics.audio_processed.ToNanoseconds() == 2_000_000_000
    warnings = [answer.heartbeat for answer in answers if answer.HasField("heartbeat")]
    assert [warning.ends_because for warning in warnings] == [pb.Ended.MAX_DURATION]
    assert [detection.label for detection in detections(answers)] == ["low", "high"]


@each_door
@asynchronous
async def test_a_stream_has_no_longest_length_unless_one_is_configured(door):
    async with running_server(max_in_flight_seconds=600, door=door) as server, stub_of(server, door=door) as stub:
        answers = await responses(stub, [config(), audio(bytes(120 * SECOND))])
    assert not answers[0].started.limits.HasField("max_stream_duration")
    assert answers[-1].ended.reason == pb.Ended.CLIENT_FINISHED
    assert answers[-1].audio_processed.ToSeconds() == 120


@each_door
@asynchronous
async def test_a_drain_warns_answers_what_was_received_and_ends_the_stream(door):
    async with running_server(drain_notice_seconds=0.2, door=door) as server, stub_of(server, door=door) as stub:
        call = stub.StreamingRecognize()
        await call.write(config(events=pb.EventSelection(speech_activity=True)))
        await call.write(audio(COMMANDS_CONTENT[: 2 * 14_500]))  # still inside the first word
        assert kinds([await call.read(), await call.read()]) == ["started", "activity"]
        stopping = asyncio.create_task(server.stop())
        answers = await reading(call)
        assert (await call.code()) is grpc.StatusCode.OK
        assert kinds(answers) == ["heartbeat", "activity", "detection", "ended"]
        assert answers[0].heartbeat.ends_because == pb.Ended.DRAINING
        assert answers[0].heartbeat.ends_within.ToMilliseconds() == 200
        assert answers[-1].ended.reason == pb.Ended.DRAINING
        await stopping


@each_door
@asynchronous
async def test_a_drain_takes_audio_until_the_notice_is_over_and_lets_nobody_in(door):
    clock = ScriptedClock()
    async with (
        running_server(clock=clock, max_wait_ms=0, drain_notice_seconds=60, door=door) as server,
        stub_of(server, door=door) as stub,
    ):
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.read()
        stopping = asyncio.create_task(server.stop())
        assert (await call.read()).HasField("heartbeat")
        refused = await refusal(responses(stub, [config()]))
        assert (refused.code, refused.retry_seconds) == (grpc.StatusCode.UNAVAILABLE, 1.0)
        await call.write(audio(COMMANDS_CONTENT))
        assert kinds([await call.read(), await call.read()]) == ["detection", "detection"]
        clock.time = 60.0
        assert kinds(await reading(call)) == ["ended"]
        await stopping
        assert server.admission.num_calls == 0


@each_door
@asynchronous
async def test_a_drain_without_notice_still_warns_first(door):
    async with running_server(drain_notice_seconds=0, door=door) as server, stub_of(server, door=door) as stub:
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.read()
        stopping = asyncio.create_task(server.stop())
        assert kinds(await reading(call)) == ["heartbeat", "ended"]
        await stopping


@every_door
@asynchronous
async def test_streams_that_do_not_finish_by_the_deadline_are_cut_off(door):
    scorer = ObedientScorer()
    async with (
        running_server(scorer, drain_deadline_seconds=0.1, door=door) as server,
        stub_of(server, door=door) as stub,
    ):
        scorer.may_go.clear()
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.write(audio(COMMANDS_CONTENT))
        await until(scorer.asked.is_set)
        stopping = asyncio.create_task(server.stop())
        assert (await refusal(reading(call))).code is grpc.StatusCode.UNAVAILABLE
        await until(lambda: server.admission.num_calls == 0)
        scorer.may_go.set()
        await stopping


@each_door
@asynchronous
async def test_a_hurried_stop_does_not_wait_for_the_deadline(door):
    async with running_server(drain_notice_seconds=3_600.0, door=door) as server, stub_of(server, door=door) as stub:
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.read()
        stopping = asyncio.create_task(server.stop())
        await until(lambda: server.admission.state is ServiceState.DRAINING)
        server.hurry()
        await reading(call)
        await stopping


@each_door
@asynchronous
async def test_a_chunk_larger_than_stated_is_refused(door):
    async with running_server(max_content_bytes=1_024, door=door) as server, stub_of(server, door=door) as stub:
        assert kinds(await responses(stub, [config(), audio(bytes(1_024))])) == ["started", "ended"]
        refused = await refusal(responses(stub, [config(), audio(bytes(1_026))]))
        assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "1024 are the limit" in refused.message
