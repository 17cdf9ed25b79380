"""Clients that come while the server starts: they wait for it, within its limits, and not for ever."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from speechtune.errors import CheckpointNotFoundError
from speechtune_client import AsyncCommandClient, Detection
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_client.v1 import model_admin_pb2 as admin_pb
from speechtune_client.v1 import model_admin_pb2_grpc as admin_grpc
from speechtune_server.app import SERVICE_NAME, RecognitionServer
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.process.admission import ServiceState
from tests.support.processes import scripted_server
from tests.support.serving import (
    COMMANDS_CONTENT,
    DIGEST,
    LINEAR16_SPEC,
    asynchronous,
    audio,
    config,
    config_of,
    detections,
    refusal,
    responses,
    until,
)
from tests.support.streaming import LoudnessActivity, PitchScorer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
A_CLIP = pb.RecognizeRequest(audio=LINEAR16_SPEC, content=COMMANDS_CONTENT)
EXHAUSTED, UNAVAILABLE = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE


class Starting:
    """A server whose models load once `may_load` is set, with a channel to it."""

    def __init__(self, fails: bool = False, **settings: Any) -> None:
        self.may_load = threading.Event()
        self._fails = fails
        self.server = RecognitionServer(config_of(**settings), self._load, LoudnessActivity)

    def _load(self, name: str, folder: Path) -> ServedModel:
        assert self.may_load.wait(20), "nobody let the models load"
        if self._fails:
            raise CheckpointNotFoundError(f"{folder}: no checkpoint there")
        return ServedModel(name, DIGEST, PitchScorer())

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        starting = asyncio.create_task(self.server.start())
        await until(lambda: self.server.address != "")
        async with grpc.aio.insecure_channel(self.server.address) as channel:
            yield channel
            self.may_load.set()
            await asyncio.gather(starting, return_exceptions=True)
            await self.server.stop()


async def health(channel: grpc.aio.Channel, service: str = "") -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
    status: int = (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status
    return status


def test_a_plain_client_that_starts_with_a_real_server_has_all_its_clips_answered(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with scripted_server(address, str(tmp_path / "go")), grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(30)
        stub: Any = pb_grpc.CommandRecognitionStub(channel)  # type: ignore[no-untyped-call]
        first = stub.Recognize.future(A_CLIP, timeout=30)
        with pytest.raises(grpc.FutureTimeoutError):
            first.result(0.3)
        (tmp_path / "go").touch()
        answers = [first.result(), *(stub.Recognize(A_CLIP, timeout=30) for _ in range(19))]
    assert [[found.label for found in answer.detections] for answer in answers] == [["low", "high"]] * 20


@asynchronous
async def test_every_kind_of_call_waits_while_health_says_not_serving() -> None:
    starting = Starting(open_admin=True)
    async with starting.channel() as channel:
        stub: Any = pb_grpc.CommandRecognitionStub(channel)  # type: ignore[no-untyped-call]
        admin: Any = admin_grpc.ModelAdminStub(channel)  # type: ignore[no-untyped-call]
        calls = [
            asyncio.ensure_future(call)
            for call in (
                stub.Recognize(A_CLIP),
                responses(stub, [config(), audio(COMMANDS_CONTENT)]),
                stub.GetServerInfo(pb.GetServerInfoRequest()),
                stub.ListModels(pb.ListModelsRequest()),
                admin.SetDefaultModel(admin_pb.SetDefaultModelRequest(model="home")),
            )
        ]
        await until(lambda: starting.server.admission.num_calls == 2)
        await asyncio.sleep(0.2)
        assert not [call for call in calls if call.done()]
        assert await health(channel) == await health(channel, SERVICE_NAME) == NOT_SERVING
        starting.may_load.set()
        clip, stream, info, models, default = await asyncio.gather(*calls)
        assert await health(channel) == await health(channel, SERVICE_NAME) == SERVING
    assert [found.label for found in clip.detections] == ["low", "high"]
    assert [found.label for found in detections(stream)] == ["low", "high"]
    assert (info.default_model, models.models[0].name, default.name) == ("home", "home", "home")


@asynchronous
async def test_beyond_its_time_a_call_is_unavailable_and_told_when_to_come_again() -> None:
    for seconds in (0.2, 0.0):
        async with Starting(max_start_wait_seconds=seconds).channel() as channel:
            stub: Any = pb_grpc.CommandRecognitionStub(channel)  # type: ignore[no-untyped-call]
            for call in (
                stub.GetServerInfo(pb.GetServerInfoRequest()),
                stub.Recognize(A_CLIP),
                responses(stub, [config()]),
            ):
                refused = await refusal(call)
                assert (refused.code, refused.retry_seconds) == (UNAVAILABLE, 1.0)
                assert "starting" in refused.message


@asynchronous
async def test_no_more_calls_wait_than_would_be_served() -> None:
    starting = Starting(max_streams=4, max_streams_per_client=2, max_clips=4, max_clips_per_client=3)
    admission = starting.server.admission
    async with starting.channel() as channel:
        stub: Any = pb_grpc.CommandRecognitionStub(channel)  # type: ignore[no-untyped-call]
        clips = [asyncio.ensure_future(stub.Recognize(A_CLIP)) for _ in range(3)]
        streams = [asyncio.ensure_future(responses(stub, [config(), audio(COMMANDS_CONTENT)])) for _ in range(2)]
        await until(lambda: admission.num_calls == 5)
        for call, limit in ((stub.Recognize(A_CLIP), "3 clips"), (responses(stub, [config()]), "2 streams")):
            refused = await refusal(call)
            assert (refused.code, refused.retry_seconds) == (EXHAUSTED, 1.0)
            assert f"this client has {limit}" in refused.message
        questions = [asyncio.ensure_future(stub.ListModels(pb.ListModelsRequest())) for _ in range(4)]
        await asyncio.sleep(0.2)
        assert (await refusal(stub.ListModels(pb.ListModelsRequest()))).code is UNAVAILABLE
        starting.may_load.set()
        answers = await asyncio.gather(*clips, *streams, *questions)
        assert [len(answer.detections) for answer in answers[:3]] == [2] * 3
        assert [len(detections(answer)) for answer in answers[3:5]] == [2] * 2
        await until(lambda: admission.num_calls == 0)
        assert len(detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))) == 2


@asynchronous
async def test_who_waits_and_goes_away_frees_its_place() -> None:
    starting = Starting(max_streams=1, max_clips=1)
    admission = starting.server.admission
    async with starting.channel() as channel:
        stub: Any = pb_grpc.CommandRecognitionStub(channel)  # type: ignore[no-untyped-call]
        for _ in range(3):
            impatient = stub.Recognize(A_CLIP, timeout=0.2), responses(stub, [config()])
            stream = asyncio.ensure_future(impatient[1])
            assert (await refusal(impatient[0])).code is grpc.StatusCode.DEADLINE_EXCEEDED
            stream.cancel()
            await until(lambda: admission.num_calls == 0)


@asynchronous
async def test_who_waits_for_a_server_that_cannot_start_is_told() -> None:
    starting = Starting(fails=True)
    async with starting.channel() as channel:
        stub: Any = pb_grpc.CommandRecognitionStub(channel)  # type: ignore[no-untyped-call]
        call = asyncio.ensure_future(stub.Recognize(A_CLIP))
        await until(lambda: starting.server.admission.num_calls == 1)
        starting.may_load.set()
        refused = await refusal(call)
    assert refused.code is UNAVAILABLE
    assert starting.server.admission.state is ServiceState.DRAINING


@asynchronous
async def test_a_client_of_ours_streams_from_before_the_server_serves() -> None:
    starting = Starting()
    async with starting.channel(), AsyncCommandClient(starting.server.address) as client:
        asyncio.get_running_loop().call_later(0.3, starting.may_load.set)
        events = [event async for event in client.stream([COMMANDS_CONTENT])]
    assert [event.label for event in events if isinstance(event, Detection)] == ["low", "high"]
