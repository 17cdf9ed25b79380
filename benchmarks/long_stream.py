"""One recording of hours through the session: memory at every tenth of the way, and how much faster than it sounds.

    python -m benchmarks.long_stream CKPT DATA [--hours 3] [--snr-db 10]

DATA holds speech_commands_dev, sentences_dev and noise; `data_scripts.mix_long_stream` mixes the recording of them in
a temporary folder. A process of its own listens to it, as `speechtune evaluate --stream` does. What grows is what the
figures are made of: the scores of every window.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from data_scripts.mix_long_stream import shuffled_sources, write_mix
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.evaluation.streams.recordings import find_recordings
from speechtune.evaluation.systems import open_system

_PARTS = 10


def listened(checkpoint: Path, recording: Path) -> dict[str, object]:
    """Listen in this process; wall time, memory over time, and what was found."""
    system, memory, is_over = open_system(checkpoint), list[float](), threading.Event()
    before = psutil.Process().memory_info().rss / 1e6

    def watch() -> None:
        while not is_over.wait(0.2):
            memory.append(psutil.Process().memory_info().rss / 1e6)

    watcher, start = threading.Thread(target=watch), time.perf_counter()
    watcher.start()
    try:
        listening, metrics = system.answer_streams(find_recordings(recording), lambda *_: None)
    finally:
        is_over.set()
        watcher.join()
    places = [len(memory) * part // _PARTS for part in range(1, _PARTS + 1)]
    return {
        "seconds": time.perf_counter() - start,
        "audio_seconds": listening.audio_seconds,
        "num_windows": listening.num_windows,
        "scoring_seconds": listening.scoring_seconds,
        "num_spoken": metrics.total.num_spoken,
        "false_reject_rate": metrics.total.false_reject_rate,
        "before_mb": before,
        "memory_mb": [round(max(memory[max(place - len(memory) // _PARTS, 0) : place]), 1) for place in places],
    }


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.alone is not None:
        print(json.dumps(listened(given.checkpoint, given.alone)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "hours.flac"
        sources = shuffled_sources(
            *(given.data / name for name in ("speech_commands_dev", "sentences_dev", "noise")), 0
        )
        write_mix(sources, recording, round(given.hours * 3600 * SAMPLE_RATE_HZ), given.snr_db, 0)
        command = [sys.executable, "-m", "benchmarks.long_stream", str(given.checkpoint), str(given.data), "--alone"]
        said = subprocess.run([*command, str(recording)], check=True, capture_output=True, text=True).stdout
    found = json.loads(said.splitlines()[-1])
    table = Table("hours heard", "memory MB", box=None)
    for part, memory_mb in enumerate(found["memory_mb"], start=1):
        table.add_row(f"{part / _PARTS * found['audio_seconds'] / 3600:.2f}", f"{memory_mb:.0f}")
    console = Console(width=100)
    console.print(table)
    pace = found["audio_seconds"] / found["seconds"]
    console.print(
        f"{found['before_mb']:.0f} MB before; {pace:.0f} times as fast as it sounds, "
        f"{found['scoring_seconds'] / found['seconds']:.0%} of the time in the model; {found['num_windows']} windows, "
        f"{found['num_spoken']} commands, {found['false_reject_rate']:.1%} missed",
        highlight=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
