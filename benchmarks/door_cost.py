"""What a stream costs a server in processor time, by the door it comes through.

    python -m benchmarks.door_cost CKPT CLIPS [--streams 100] [--seconds 6] [--rounds 2] [--duty 0.3]

One server has all doors open. In turns, `--rounds` times over, `--streams` streams at once send the same audio
through each door at the pace of a microphone, in chunks of 100 ms, of which `--duty` is speech. `ms a second` is the
processor time of the server in a second of one stream. Every stream must end well, and every door must find the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import grpc
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.ping import Ping, Pong
from wyoming.wake import Detection

from benchmarks.own_server import free_address, own_server
from speechtune.remote import load_generator as load
from speechtune_client import AsyncCommandClient
from speechtune_client.v1 import command_recognition_pb2 as pb

_CHUNK_MS = 100
_SPREAD_SECONDS = 2.0
"""Streams begin evenly over so long, as `load.run_load` has it."""
_FORM = {"rate": 16_000, "width": 2, "channels": 1}
_CONFIG = json.dumps({"config": {"audio": {"encoding": "LINEAR16", "sampleRateHertz": 16_000}}})
_END = json.dumps({"control": {"end": {}}})

Device = Callable[[Sequence[bytes], float], Awaitable[int]]
"""Sends the chunks from a moment on; gives how many commands it was told of."""


async def _paced(chunks: Sequence[bytes], begin: float, send: Callable[[bytes], Awaitable[object]]) -> None:
    for index, chunk in enumerate(chunks):
        due = begin + (index + 1) * _CHUNK_MS / 1000
        await asyncio.sleep(max(due - time.monotonic(), 0.0))
        await send(chunk)


def websocket_device(address: str) -> Device:
    """A stream over a WebSocket."""

    async def device(chunks: Sequence[bytes], begin: float) -> int:
        url, protocols = f"ws://{address}/v1/stream", [Subprotocol("speechtune.v1")]
        async with connect(url, subprotocols=protocols, compression=None) as connection:
            await connection.send(_CONFIG)

            async def send() -> None:
                await _paced(chunks, begin, connection.send)
                await connection.send(_END)

            sending = asyncio.create_task(send())
            kinds = [next(iter(json.loads(text))) async for text in connection]
            await sending
        if kinds[-1] != "ended":
            raise RuntimeError(f"a stream failed: {kinds[-1]}")
        return kinds.count("detection")

    return device


def wyoming_device(uri: str) -> Device:
    """A stream as a satellite sends it."""

    async def device(chunks: Sequence[bytes], begin: float) -> int:
        num_detections = 0
        async with AsyncClient.from_uri(uri) as client:
            await client.write_event(AudioStart(**_FORM).event())

            async def send() -> None:
                await _paced(chunks, begin, lambda chunk: client.write_event(AudioChunk(**_FORM, audio=chunk).event()))
                await client.write_event(AudioStop().event())
                await client.write_event(Ping().event())

            sending = asyncio.create_task(send())
            while (event := await client.read_event()) is not None and not Pong.is_type(event.type):
                num_detections += Detection.is_type(event.type)
            await sending
        if event is None:
            raise RuntimeError("a stream failed")
        return num_detections

    return device


async def _through(device: Device, timelines: Sequence[load.Timeline], num_streams: int) -> int:
    """Detections of so many streams at once."""
    audio = [
        [pb.StreamingRecognizeRequest.FromString(request).audio.content for request in timeline.requests]
        for timeline in timelines
    ]
    begin = time.monotonic() + 0.5
    found = await asyncio.gather(
        *(
            device(audio[index % len(audio)], begin + _SPREAD_SECONDS * index / num_streams)
            for index in range(num_streams)
        )
    )
    return sum(found)


async def _through_grpc(address: str, timelines: Sequence[load.Timeline], num_streams: int) -> int:
    result = await load.run_load(address, timelines, num_streams)
    if result.errors:
        raise RuntimeError(f"streams failed: {result.errors}")
    return result.num_detections


async def measured(
    doors: dict[str, Callable[[], Awaitable[int]]], server: psutil.Process, stream_seconds: float, num_rounds: int
) -> dict[str, list[float]]:
    """Milliseconds of processor time a second of a stream, for each door and round.

    Raises:
        RuntimeError: a door finds other than the first.
    """
    used: dict[str, list[float]] = {name: [] for name in doors}
    expected: int | None = None
    for _ in range(num_rounds):
        for name, run in doors.items():
            before = server.cpu_times()
            found = await run()
            after = server.cpu_times()
            expected = found if expected is None else expected
            if found != expected:
                raise RuntimeError(f"{name} found {found} commands, the first door {expected}")
            seconds = after.user + after.system - before.user - before.system
            used[name].append(1000.0 * seconds / stream_seconds)
    return used


async def _all(given: argparse.Namespace, addresses: dict[str, str], server: psutil.Process) -> dict[str, list[float]]:
    clips = load.read_clips(given.clips, 200, 0)
    timelines = [
        load.timeline_of(load.mixed_speech(clips, given.seconds, given.duty, -60.0, seed), _CHUNK_MS)
        for seed in range(8)
    ]
    async with AsyncCommandClient(addresses["grpc"]) as client:
        await client.wait_ready(300.0)
    devices = {"websocket": websocket_device(addresses["websocket"]), "wyoming": wyoming_device(addresses["wyoming"])}
    doors: dict[str, Callable[[], Awaitable[int]]] = {
        "grpc": lambda: _through_grpc(addresses["grpc"], timelines, given.streams)
    }
    for name, device in devices.items():
        doors[name] = lambda device=device: _through(device, timelines, given.streams)  # type: ignore[misc]
    await doors["grpc"]()  # the first audio is dearer, whatever its door
    return await measured(doors, server, given.streams * timelines[0].seconds, given.rounds)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--duty", type=float, default=0.3)
    parser.add_argument("--backend", default="onnx-int8")
    given = parser.parse_args(argv)
    websocket, wyoming = free_address(), f"tcp://{free_address()}"
    settings = {"websocket_address": websocket, "wyoming_uri": wyoming}
    with own_server(given.checkpoint, given.backend, 2 * given.streams, **settings) as server:
        addresses = {"grpc": server.address, "websocket": websocket, "wyoming": wyoming}
        try:
            used = asyncio.run(_all(given, addresses, server.process))
        except (RuntimeError, OSError, grpc.RpcError) as error:
            print(f"door_cost: {error}", file=sys.stderr)
            return 1
    table = Table("door", box=None)
    for heading in ("ms a second", "each round", "of gRPC's"):
        table.add_column(heading, justify="right")
    for name, rounds in used.items():
        share = float(np.mean(rounds) / np.mean(used["grpc"]))
        table.add_row(name, f"{np.mean(rounds):.2f}", " ".join(f"{one:.2f}" for one in rounds), f"{share:.0%}")
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
