"""A server in this process on a free port, with scripted models, and requests as protobuf."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from speechtune.streaming.activity import ActivityModel
from speechtune.streaming.config import Scorer
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_server.app import RecognitionServer
from speechtune_server.clock import Clock
from speechtune_server.config import server_config
from speechtune_server.model_store import ServedModel
from tests.support.streaming import LoudnessActivity, PitchScorer

DIGEST = "d1" * 32
LINEAR16 = pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=16_000, channels=1)


@asynccontextmanager
async def running_server(
    scorer: Scorer | None = None, activity: ActivityModel | None = None, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[RecognitionServer]:
    """A server that serves model "home", stopped at the end without delay."""
    given = {
        "models": {"home": Path("home")},
        "address": "127.0.0.1:0",
        "drain_notice_seconds": 0.0,
        "drain_deadline_seconds": 2.0,
        **settings,
    }
    served = scorer or PitchScorer()

    def load(name: str, folder: Path) -> ServedModel:
        return ServedModel(name, DIGEST, served)

    server = RecognitionServer(server_config(**given), load, lambda: activity or LoudnessActivity(), clock)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def stub_of(server: RecognitionServer) -> AsyncIterator[Any]:
    """A generated stub on a channel of its own."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield pb_grpc.CommandRecognitionStub(channel)


def config(**fields: Any) -> pb.StreamingRecognizeRequest:
    """A first message: LINEAR16 at 16 kHz unless told otherwise."""
    return pb.StreamingRecognizeRequest(config=pb.StreamingConfig(**{"audio": LINEAR16, **fields}))


def audio(content: bytes) -> pb.StreamingRecognizeRequest:
    """A message with a chunk of audio."""
    return pb.StreamingRecognizeRequest(audio=pb.AudioChunk(content=content))


async def responses(stub: Any, requests: Iterable[pb.StreamingRecognizeRequest]) -> list[Any]:
    """All responses of a stream that sends these messages and half-closes."""
    return [response async for response in stub.StreamingRecognize(iter(requests))]


def kinds(answers: Iterable[Any]) -> list[str]:
    """Which event each response holds."""
    return [answer.WhichOneof("event") for answer in answers]


def detections(answers: Iterable[Any]) -> list[Any]:
    """The detections among responses."""
    return [answer.detection for answer in answers if answer.HasField("detection")]
