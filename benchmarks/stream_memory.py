"""What one more stream costs a server: memory, and processor time while nobody speaks.

    python -m benchmarks.stream_memory CKPT CLIPS [--streams 100] [--seconds 12] [--backend onnx-int8]

For each kind of audio and each length of chunk a server of its own is started and warmed by ten streams of speech; then
`--streams` of them at once send audio at the pace of a microphone. `KB a stream` is the most that its resident memory
grew by, over the number of streams; `ms a second` is the processor time of the server in a second of one stream.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.own_server import own_server
from speechtune.remote import load_generator as load
from speechtune_client import AsyncCommandClient

_CHUNKS_MS = (100, 1_000)
_KINDS: tuple[tuple[str, float, float | None], ...] = (
    ("digital silence", 0.0, None),
    ("noise at -60 dBFS", 0.0, -60.0),
    ("speech, 30 % of the time", 0.3, -60.0),
)
_NUM_WARMING = 10


async def _ready(address: str) -> None:
    async with AsyncCommandClient(address) as client:
        await client.wait_ready(60.0)


async def _highest_mb(server: psutil.Process, is_over: asyncio.Event) -> float:
    highest = 0.0
    while not is_over.is_set():
        highest = max(highest, server.memory_info().rss / 1e6)
        await asyncio.sleep(0.1)
    return highest


async def measured(
    address: str, server: psutil.Process, warming: load.Timeline, timelines: Sequence[load.Timeline], num_streams: int
) -> tuple[float, float]:
    """KB a stream, and ms of processor time a second and stream."""
    await _ready(address)
    await load.run_load(address, [warming], _NUM_WARMING)
    before, times = server.memory_info().rss / 1e6, server.cpu_times()
    is_over = asyncio.Event()
    watching = asyncio.create_task(_highest_mb(server, is_over))
    result = await load.run_load(address, timelines, num_streams)
    is_over.set()
    after = server.cpu_times()
    if result.errors:
        raise RuntimeError(f"streams failed: {result.errors}")
    seconds = num_streams * timelines[0].seconds
    used = after.user + after.system - times.user - times.system
    return 1000.0 * (await watching - before) / num_streams, 1000.0 * used / seconds


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--backend", default="onnx-int8")
    given = parser.parse_args(argv)
    clips = load.read_clips(given.clips, 200, 0)
    warming = load.timeline_of(load.mixed_speech(clips, 4.0, 0.8, -60.0, 0), 100)
    table = Table("audio", box=None)
    for heading in ("chunk", "KB a stream", "ms a second"):
        table.add_column(heading, justify="right")
    for name, duty, noise_db in _KINDS:
        for chunk_ms in _CHUNKS_MS:
            timelines = [
                load.timeline_of(load.mixed_speech(clips, given.seconds, duty, noise_db, seed), chunk_ms)
                for seed in range(8)
            ]
            with own_server(given.checkpoint, given.backend, 2 * given.streams) as server:
                kilobytes, used = asyncio.run(
                    measured(server.address, server.process, warming, timelines, given.streams)
                )
            table.add_row(name, f"{chunk_ms:,} ms", f"{kilobytes:.0f}", f"{used:.2f}")
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
