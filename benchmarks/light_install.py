"""What the light install takes on a disk and to install, and whether it serves as the full environment does.

    python -m benchmarks.light_install MODEL.onnx CLIPS [--streams 20] [--seconds 10] [--rounds 3]

The wheel is built and installed twice into a new environment, the second time with everything in uv's cache. Then the
light install and this environment serve the exported model in turns, each in a process of its own, under the same load.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hatchling.builders.wheel import WheelBuilder
from rich.console import Console
from rich.table import Table

from benchmarks.own_server import own_server
from speechtune_client import CommandClient

_REPOSITORY = Path(__file__).resolve().parents[1]
_START_SECONDS = 60.0
_NAMES = ("half of the delays within, ms", "95 % within, ms", "CPU of a second of a stream, ms", "memory, MB")
_LOADTEST = "from speechtune.cli import main; main()"


@dataclass(frozen=True)
class Served:
    """One round: delays of detections in ms, processor time in ms for each second of a stream, memory in MB."""

    middle_ms: float
    late_ms: float
    cpu_ms: float
    memory_mb: float


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(next(WheelBuilder(str(_REPOSITORY)).build(directory=folder, versions=["standard"])))
        _install(Path(folder) / "first", wheel)
        light = Path(folder) / "light"
        seconds = _install(light, wheel)
        console.print(f"light install: {_megabytes(light):.0f} MB, {seconds:.1f} s with a warm cache", highlight=False)
        # As pip leaves it; uncompiled, every start would take longer, and more memory.
        subprocess.run([str(light / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", str(light)], check=False)
        pythons = {"light": str(light / "bin" / "python"), "full": sys.executable}
        rounds: dict[str, list[Served]] = {name: [] for name in pythons}
        for _ in range(options.rounds):
            for name, python in pythons.items():
                rounds[name].append(_serve(python, options.model, options.clips, options.streams, options.seconds))
    console.print(_table(rounds))
    return 0


def _install(folder: Path, wheel: Path) -> float:
    start = time.perf_counter()
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    constraints = str(_REPOSITORY / "constraints.txt")
    python = str(folder / "bin" / "python")
    command = [*uv, "pip", "install", "--quiet", "--python", python, "--constraint", constraints, str(wheel)]
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def _serve(python: str, model: Path, clips: Path, streams: int, seconds: int) -> Served:
    with own_server(model, "auto", streams, python) as server:
        with CommandClient(server.address) as client:
            client.wait_ready(_START_SECONDS)
        load = ["--address", server.address, "--streams", str(streams), "--seconds", str(seconds)]
        command = [sys.executable, "-c", _LOADTEST, "loadtest", str(clips), *load]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
    report: dict[str, Any] = json.loads(done.stdout)
    delays, used = report["detection_latency_ms"], report["server"]
    return Served(delays["p50"], delays["p95"], used["cpu_ms_per_stream_second"], used["memory_mb"])


def _table(rounds: dict[str, list[Served]]) -> Table:
    """The median round, with the least and the most of all rounds."""
    table = Table("", *rounds, box=None, pad_edge=False)
    for number, name in enumerate(_NAMES):
        values = [[astuple(one)[number] for one in served] for served in rounds.values()]
        table.add_row(name, *(f"{median(row):.1f} ({min(row):.1f} to {max(row):.1f})" for row in values))
    return table


if __name__ == "__main__":
    raise SystemExit(main())
