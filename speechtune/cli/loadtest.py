"""`speechtune loadtest --streams N CLIPS…`: what a server does under load, latency, loss, CPU and memory."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speechtune.cli.options import DEFAULT_ADDRESS, AddressOption
from speechtune.errors import ConfigError, ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechtune.remote.load_generator import LoadResult, Timeline

_LOOPBACK = ("127.", "localhost:", "[::1]:")
_MAX_STREAMS = 2_000
_NUM_TIMELINES = 8
_MAX_CLIPS = 400


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(loadtest)


def loadtest(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIPS...", help="Audio files or folders: the speech.")],
    streams: Annotated[
        int, typer.Option(min=1, max=_MAX_STREAMS, help="Number of streams that are open at once.")
    ] = 10,
    seconds: Annotated[float, typer.Option(min=5, max=3_600, help="How long each stream lasts, in seconds.")] = 30.0,
    duty: Annotated[
        float, typer.Option(min=0.0, max=0.95, help="Share of the time that holds speech, from 0 to 0.95.")
    ] = 0.3,
    noise_db: Annotated[float | None, typer.Option(help="Level of the noise under the speech, in dBFS.")] = -60.0,
    chunk_ms: Annotated[
        int, typer.Option(min=10, max=1_000, help="Length of the audio in one message, in milliseconds.")
    ] = 100,
    model: Annotated[str, typer.Option(help="Name of the model. Defaults to the server's default.")] = "",
    interims: Annotated[bool, typer.Option("--interims", help="Ask for scores while speech goes on, too.")] = False,
    address: AddressOption = DEFAULT_ADDRESS,
    seed: Annotated[int, typer.Option(min=0, help="Number that the mixing of speech and noise begins from.")] = 0,
) -> None:
    """Stream mixed speech from many devices at once to a server on this machine.

    Detections, delays and losses are printed as JSON.
    """
    import asyncio

    import grpc

    from speechtune.remote import load_generator as load
    from speechtune_client import ClientError

    if not address.startswith(_LOOPBACK):
        raise ConfigError(f"loadtest: {address} is not on this machine; loading others' servers is not for this tool")
    speech = load.read_clips(clips, _MAX_CLIPS, seed)
    num_timelines = min(streams, _NUM_TIMELINES)
    timelines = [
        load.timeline_of(load.mixed_speech(speech, seconds, duty, noise_db, seed + index), chunk_ms)
        for index in range(num_timelines)
    ]
    try:
        report = asyncio.run(_run(address, timelines, streams, model, interims))
    except ClientError as error:
        raise ModelUnavailableError(f"server {address}: {error}") from error
    except grpc.RpcError as error:
        raise ModelUnavailableError(f"server {address}: {error.code().name}: {error.details()}") from error
    typer.echo(json.dumps({"streams": streams, "seconds": seconds, "duty": duty, "chunk_ms": chunk_ms} | report))


async def _run(
    address: str, timelines: Sequence[Timeline], num_streams: int, model: str, interims: bool
) -> dict[str, Any]:
    from speechtune.remote import load_generator as load
    from speechtune_client import AsyncCommandClient

    async with AsyncCommandClient(address) as client:
        await client.wait_ready()
    ready = [dataclasses.replace(one, expected=await load.detections_alone(address, one, model)) for one in timelines]
    server = _Process.listening_on(address)
    own = _Process.self()
    start = time.monotonic()
    result = await load.run_load(address, ready, num_streams, model=model, interims=interims)
    wall = time.monotonic() - start
    return _summary(result) | {
        "server": server.used(wall, num_streams) if server else "not found among this user's processes",
        "generator": own.used(wall, num_streams),
    }


def _summary(result: LoadResult) -> dict[str, Any]:
    return {
        "detections": result.num_detections,
        "lost": result.lost,
        "extra": result.extra,
        "errors": result.errors,
        "detection_latency_ms": _percentiles(result.detection_latencies),
        "detection_latency_by_server_ms": _percentiles(result.server_latencies),
        "interim_latency_ms": _percentiles(result.interim_latencies),
        "generator_delay_ms": round(result.largest_delay * 1000, 1),
    }


def _percentiles(latencies: list[float]) -> dict[str, float] | None:
    import numpy as np

    if not latencies:
        return None
    values = np.percentile(np.array(latencies) * 1000, [50, 95, 99, 100])
    return {name: round(float(value), 1) for name, value in zip(("p50", "p95", "p99", "max"), values, strict=True)}


class _Process:
    """CPU and memory of one process, since it was made."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self._cpu = self._cpu_seconds()
        self._memory = process.memory_info().rss

    @staticmethod
    def self() -> _Process:
        import psutil

        return _Process(psutil.Process())

    @staticmethod
    def listening_on(address: str) -> _Process | None:
        import psutil

        port = int(address.rpartition(":")[2])
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return _Process(psutil.Process(connection.pid))
        return None

    def used(self, wall_seconds: float, num_streams: int) -> dict[str, float]:
        """Cores used on average, milliseconds of CPU per second of one stream, and resident memory."""
        cpu = self._cpu_seconds() - self._cpu
        memory = self._process.memory_info().rss
        return {
            "cores": round(cpu / wall_seconds, 3),
            "cpu_ms_per_stream_second": round(1000 * cpu / wall_seconds / num_streams, 3),
            "memory_mb": round(memory / 1e6, 1),
            "memory_kb_per_stream": round((memory - self._memory) / 1e3 / num_streams, 1),
        }

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
