"""What a second of a stream costs, by backend: the table that `max_streams` comes from unless the settings say it.

    python -m benchmarks.stream_costs CKPT CLIPS… [--streams 40] [--seconds 15] [--backends onnx-int8,onnx]

A server in a process of its own on a loopback port hears so many streams, speech 30 % of the time, at the pace of a
microphone. Prints a row of `speechtune_server.process.capacity.STREAM_COSTS` for each backend, how many streams this
machine would carry by it, and what was lost and how late answers were, which other programs on the machine make worse.
CPU time they touch less.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from pathlib import Path

import numpy as np
import psutil
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.own_server import own_server
from speechtune.remote import load_generator as load
from speechtune_client import AsyncCommandClient
from speechtune_server.process import capacity
from speechtune_server.process.capacity import StreamCost, streams_carried
from speechtune_server.process.config import Backend
from speechtune_server.process.machine import this_machine

_NUM_TIMELINES = 8
_DUTY, _NOISE_DB, _CHUNK_MS = 0.3, -60.0, 100
_NUM_CLIPS = 400


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one backend cost, and what came of the streams."""

    cost: StreamCost
    num_lost: int
    p95_ms: float


def cpu_seconds(server: psutil.Process) -> tuple[float, float]:
    """CPU that the event loop's thread has taken, and all of them together."""
    times = {thread.id: thread.user_time + thread.system_time for thread in server.threads()}
    return times[server.pid], sum(server.cpu_times()[:2])


async def measured(address: str, server: psutil.Process, timelines: list[load.Timeline], num_streams: int) -> Measured:
    """Let so many streams be heard."""
    async with AsyncCommandClient(address) as client:
        await client.wait_ready(120)
    ready = [dataclasses.replace(one, expected=await load.detections_alone(address, one, "")) for one in timelines]
    before = cpu_seconds(server)
    result = await load.run_load(address, ready, num_streams)
    loop, everything = (after - began for after, began in zip(cpu_seconds(server), before, strict=True))
    heard = sum(ready[number % len(ready)].seconds for number in range(num_streams))
    cost = StreamCost(round(1000 * loop / heard, 1), round(1000 * everything / heard, 1))
    late = np.percentile(result.detection_latencies, 95) if result.detection_latencies else float("nan")
    return Measured(cost, result.lost + sum(result.errors.values()), round(float(late) * 1000, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--backends", default=",".join(capacity.STREAM_COSTS))
    given = parser.parse_args()
    speech = load.read_clips(given.clips, _NUM_CLIPS, 0)
    timelines = [
        load.timeline_of(load.mixed_speech(speech, given.seconds, _DUTY, _NOISE_DB, number), _CHUNK_MS)
        for number in range(_NUM_TIMELINES)
    ]
    table = Table(title=f"{given.streams} streams of {given.seconds:g} s", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("backend", "loop, ms", "all threads, ms", "carried here", "lost", "95 % within, ms"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    rows = []
    for backend in map(Backend, given.backends.split(",")):
        with own_server(given.checkpoint, backend, 2 * given.streams) as server:
            found = asyncio.run(measured(server.address, server.process, timelines, given.streams))
        carried = streams_carried([backend], this_machine(), {backend: found.cost})
        table.add_row(
            backend, *map(str, (found.cost.loop, found.cost.all_threads, carried, found.num_lost, found.p95_ms))
        )
        rows.append(
            f"Backend.{backend.name}: StreamCost(loop={found.cost.loop}, all_threads={found.cost.all_threads}),"
        )
    Console().print(table)
    print(*rows, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
