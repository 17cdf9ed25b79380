"""A server in this process on a free port, with scripted models, and requests as protobuf."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from numpy.typing import NDArray

from speechtune.streaming.config import Scorer
from speechtune.streaming.voice.activity import ActivityModel
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_server.app import RecognitionServer
from speechtune_server.engine.model_store import LoadModel, ServedModel
from speechtune_server.process.clock import Clock
from speechtune_server.process.config import ServerConfig, server_config
from tests.support.streaming import LoudnessActivity, PitchScorer, linear16, quiet, tone
from tests.support.websocket_stub import WebSocketStub
from tests.support.wyoming_stub import WyomingStub

GRPC, WEBSOCKET, WYOMING = "grpc", "websocket", "wyoming"
each_door = pytest.mark.parametrize("door", [GRPC, WEBSOCKET])
"""For a test of what holds at every door that speaks the contract."""
every_door = pytest.mark.parametrize("door", [GRPC, WEBSOCKET, WYOMING])
"""For a test that says nothing but keywords and audio, and asks for nothing but how it ends."""
DIGEST = "d1" * 32
LINEAR16_SPEC = pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=16_000, channels=1)
COMMANDS = np.concatenate(
    [quiet(9_000), tone(250, 6_000), quiet(12_000), tone(1000, 5_000), quiet(9_000), tone(600, 6_000), quiet(9_000)]
)
"""`low`, `high`, and something else, each in quiet: float32[56000], 3.5 s."""
COMMANDS_CONTENT = linear16(COMMANDS)


@dataclass
class ObedientScorer(PitchScorer):
    """Fails or stalls when told so."""

    fails: bool = False
    may_go: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    batch_sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.may_go.set()

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        self.asked.set()
        assert self.may_go.wait(20), "nobody let the scorer go on"
        if self.fails:
            raise ArithmeticError("secret: the scorer was told to fail")
        self.batch_sizes.append(len(windows))
        return super().score(windows)


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a loop of its own, with twenty seconds to finish."""

    @functools.wraps(test)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 20))

    return wrapped


def config_of(**settings: Any) -> ServerConfig:
    """Settings of a server that serves model "home" on a free port and stops without delay."""
    given = {
        "models": {"home": Path("home")},
        "address": "127.0.0.1:0",
        "drain_notice_seconds": 0.0,
        "drain_deadline_seconds": 2.0,
    }
    return server_config(**{**given, **settings})


@asynccontextmanager
async def running_server(
    scorer: Scorer | None = None,
    activity: ActivityModel | None = None,
    clock: Clock | None = None,
    load: LoadModel | None = None,
    door: str = GRPC,
    **settings: Any,
) -> AsyncIterator[RecognitionServer]:
    """A server, stopped at the end; `load` in place of one that gives every model the same scorer and digest.

    `door` is open beside gRPC, for `stub_of`.
    """
    served = scorer or PitchScorer()
    if door == WEBSOCKET:
        settings["websocket_address"] = "127.0.0.1:0"
    if door == WYOMING:
        settings["wyoming_uri"] = "tcp://127.0.0.1:0"

    def load_same(name: str, folder: Path) -> ServedModel:
        return ServedModel(name, DIGEST, served)

    server = RecognitionServer(config_of(**settings), load or load_same, lambda: activity or LoudnessActivity(), clock)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def server_in_thread(scorer: Scorer | None = None, **settings: Any) -> Iterator[RecognitionServer]:
    """A server in a thread of its own, for a test that is not async."""
    started: list[RecognitionServer] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running_server(scorer, **settings) as server:
            started.append(server)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20), "the server did not start"
        yield started[0]
    finally:
        done.set()
        thread.join()


@asynccontextmanager
async def stub_of(server: RecognitionServer, *options: tuple[str, Any], door: str = GRPC) -> AsyncIterator[Any]:
    """A generated stub on a channel of its own, or what looks like one at another door."""
    if door != GRPC:
        other = (WebSocketStub if door == WEBSOCKET else WyomingStub)(server.doors.addresses[door])
        try:
            yield other
        finally:
            other.close()
        return
    async with grpc.aio.insecure_channel(server.address, options=options) as channel:
        yield pb_grpc.CommandRecognitionStub(channel)


def config(**fields: Any) -> pb.StreamingRecognizeRequest:
    """A first message: LINEAR16 at 16 kHz unless told otherwise."""
    return pb.StreamingRecognizeRequest(config=pb.StreamingConfig(**{"audio": LINEAR16_SPEC, **fields}))


def audio(content: bytes) -> pb.StreamingRecognizeRequest:
    """A message with a chunk of audio."""
    return pb.StreamingRecognizeRequest(audio=pb.AudioChunk(content=content))


async def responses(stub: Any, requests: Iterable[pb.StreamingRecognizeRequest]) -> list[Any]:
    """All responses of a stream that sends these messages and half-closes; asked again where grpc lost the answer."""
    messages = list(requests)
    for _ in range(20):
        try:
            return [response async for response in stub.StreamingRecognize(iter(messages))]
        except grpc.aio.AioRpcError as error:
            # A client that is refused between two of its writes is told so, and not what the server said.
            if error.details() != "Internal error from Core":
                raise
    raise AssertionError("grpc lost the answer twenty times")


async def rest_of(call: Any) -> list[Any]:
    """What is still to come of a call that was read from; it may be mixed with `read`."""
    answers = []
    while (answer := await call.read()) is not grpc.aio.EOF:
        answers.append(answer)
    return answers


async def refusal(call: Coroutine[Any, Any, Any] | Any) -> Refusal:
    """What a call that must fail fails with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error)
    raise AssertionError("the call was not refused")


@dataclass(frozen=True)
class Refusal:
    """A failed call, its details read with google's own messages."""

    code: grpc.StatusCode
    message: str
    fields: tuple[str, ...]
    retry_seconds: float | None
    request_id: str
    num_details: int

    @staticmethod
    def of(error: Any) -> Refusal:
        status = status_pb2.Status.FromString(dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b""))
        bad, retry, info = (
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
            error_details_pb2.RequestInfo(),
        )
        retry_seconds = None
        for detail in status.details:
            detail.Unpack(bad)
            detail.Unpack(info)
            if detail.Unpack(retry):
                retry_seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        fields = tuple(violation.field for violation in bad.field_violations)
        return Refusal(error.code(), error.details(), fields, retry_seconds, info.request_id, len(status.details))


def kinds(answers: Iterable[Any]) -> list[str]:
    """Which event each response holds."""
    return [answer.WhichOneof("event") for answer in answers]


def detections(answers: Iterable[Any]) -> list[Any]:
    """The detections among responses."""
    return [answer.detection for answer in answers if answer.HasField("detection")]


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until `condition` holds."""
    for _ in range(int(seconds * 200)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to pass in time")
