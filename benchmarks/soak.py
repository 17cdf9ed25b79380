"""Does a server stay as it is? Streams that end, break off, cancel and vanish, under reloads, for as long as you like.

    python -m benchmarks.soak CKPT CLIPS --minutes 30 [--streams 50] [--backend onnx-int8]

The server is a process of its own; SIGHUP reloads its model every 20 seconds. Streams that were let finish must give
exactly the detections of the same audio streamed alone; of the others, none may be one that is not among those. Prints
one JSON object; exits 1 if a detection is missing or made up, a call failed, a stream is left, or memory grew by 10 %.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import random
import signal
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil

from benchmarks.own_server import own_server
from speechtune.remote import load_generator as load
from speechtune_client import AsyncCommandClient
from speechtune_client.v1 import command_recognition_pb2 as pb

_METHOD = "/speechtune.v1.CommandRecognition/StreamingRecognize"
_TIMELINE_SECONDS = 12.0
_NUM_TIMELINES = 8
_RELOAD_SECONDS = 20.0
_SAMPLE_SECONDS = 2.0
_GROWTH = 1.10


@dataclass
class Account:
    """What came of the streams."""

    endings: Counter[str] = field(default_factory=Counter)
    expected: int = 0
    detected: int = 0
    lost: int = 0
    extra: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    num_reloads: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)


async def device(address: str, timelines: list[load.Timeline], until: float, draw: random.Random, out: Account) -> None:
    """One device: stream after stream, each to one of four ends, over connections of its own."""
    await asyncio.sleep(draw.uniform(0.0, 3.0))
    while time.monotonic() < until:
        timeline = draw.choice(timelines)
        ending = draw.choice(["finished", "finished", "cancelled", "vanished", "half-closed early"])
        length = len(timeline.requests) if ending == "finished" else draw.randrange(1, len(timeline.requests))
        found: set[str] = set()
        channel = grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        try:
            await _stream(channel, timeline, length, ending, found)
        except grpc.aio.AioRpcError as error:
            out.failures[error.code().name] += 1
        finally:
            await channel.close(None)
        out.endings[ending] += 1
        out.detected += len(found)
        out.extra += len(found - timeline.expected) if ending != "half-closed early" else 0
        if ending == "finished":
            out.expected += len(timeline.expected)
            out.lost += len(timeline.expected - found)


async def _stream(channel: Any, timeline: load.Timeline, length: int, ending: str, found: set[str]) -> None:
    call = channel.stream_stream(_METHOD)()
    config = pb.StreamingConfig(audio=pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=16_000))
    await call.write(pb.StreamingRecognizeRequest(config=config).SerializeToString())
    reading = asyncio.create_task(_read(call, found))
    try:
        for request in timeline.requests[:length]:
            await asyncio.sleep(timeline.chunk_seconds)
            await call.write(request)
        if ending == "cancelled":
            call.cancel()
        elif ending != "vanished":
            await call.done_writing()
            await reading
    except asyncio.InvalidStateError:
        await reading  # raises what the server said
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(call: Any, found: set[str]) -> None:
    async for content in call:
        response = pb.StreamingRecognizeResponse.FromString(content)
        if response.HasField("detection"):
            found.add(response.detection.event_id)


async def disturb(server: psutil.Process, until: float, out: Account) -> None:
    """Reload every now and then, and look at the memory."""
    start = last = time.monotonic()
    while time.monotonic() < until:
        await asyncio.sleep(_SAMPLE_SECONDS)
        now = time.monotonic()
        out.memory.append((now - start, server.memory_info().rss / 1e6))
        if now - last >= _RELOAD_SECONDS:
            server.send_signal(signal.SIGHUP)
            out.num_reloads += 1
            last = now


async def soak(address: str, server: psutil.Process, given: argparse.Namespace) -> dict[str, Any]:
    speech = load.read_clips(given.clips, 400, given.seed)
    prepared = [
        load.timeline_of(load.mixed_speech(speech, _TIMELINE_SECONDS, 0.3, -60.0, given.seed + index), 100)
        for index in range(_NUM_TIMELINES)
    ]
    async with AsyncCommandClient(address) as client:
        await client.wait_ready(120)
        timelines = [
            dataclasses.replace(one, expected=await load.detections_alone(address, one, "")) for one in prepared
        ]
        out, until = Account(), time.monotonic() + 60.0 * given.minutes
        devices = [
            device(address, timelines, until, random.Random(given.seed * 1_000 + number), out)
            for number in range(given.streams)
        ]
        cpu = sum(server.cpu_times()[:2])
        await asyncio.gather(disturb(server, until, out), *devices)
        cpu = sum(server.cpu_times()[:2]) - cpu
        await asyncio.sleep(2.0)
        left = (await client.server_info()).num_active_streams
    third = max(len(out.memory) // 3, 1)
    middle, end = out.memory[third : 2 * third], out.memory[-third:]
    first, last = (statistics.median(mb for _, mb in part) for part in (middle, end))
    report: dict[str, Any] = {"minutes": given.minutes, "streams": given.streams, **vars(out), "streams_left": left}
    report |= {"memory_mb_middle_third": round(first, 1), "memory_mb_last_third": round(last, 1)}
    report |= {"memory_mb_peak": round(max(mb for _, mb in out.memory), 1), "cpu_seconds": round(cpu, 1)}
    report["memory"] = [(round(at), round(mb, 1)) for at, mb in out.memory[:: max(len(out.memory) // 30, 1)]]
    report["holds"] = not (out.lost or out.extra or out.failures or left) and last <= _GROWTH * first
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--backend", default="onnx-int8")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with own_server(given.checkpoint, given.backend, 4 * given.streams) as server:
        report = asyncio.run(soak(server.address, server.process, given))
    report["exit_code"] = server.exit_code
    print(json.dumps(report))
    return int(not report["holds"] or report["exit_code"] != 0)


if __name__ == "__main__":
    sys.exit(main())
