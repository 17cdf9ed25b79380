"""Clips by the ten thousand through `evaluate_clips`: memory, and which share of the time is the encoder's.

    python -m benchmarks.large_evaluation CKPT DATA [--counts 1000,5000,10000] [--json FILE]

The clips of DATA are taken round and round under other names and speakers until there are so many; every one is read,
placed and scored. Each count runs in a process of its own, so that its memory is its own: the growth of its resident
memory over that of a hundred clips is what clips cost. `elsewhere` is the time beside scoring: reading, placing, and
measuring with the intervals, which is also given alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import torch
from rich.console import Console
from rich.table import Table

from speechtune.data.sets.clips import Clip
from speechtune.data.sets.loading import load_clips
from speechtune.evaluation.clips.compute import compute_metrics
from speechtune.evaluation.clips.scoring import evaluate_clips
from speechtune.models.checkpoints.checkpoint import load_checkpoint
from speechtune.whole_files import write_whole

NUM_BEFORE = 100


def repeated(clips: Sequence[Clip], count: int) -> list[Clip]:
    """`count` clips, each with a name of its own; every round has speakers of its own."""
    taken = []
    for number in range(count):
        clip, turn = clips[number % len(clips)], number // len(clips)
        speaker = None if clip.speaker is None else f"{clip.speaker}-{turn}"
        taken.append(replace(clip, id=f"{number}", speaker=speaker))
    return taken


def measured(checkpoint: Path, data: Path, count: int) -> dict[str, float]:
    """Evaluate `count` clips in this process."""
    torch.set_num_threads(1)
    scorer = load_checkpoint(checkpoint).scorer()
    clips = load_clips(data).clips
    process = psutil.Process()
    evaluate_clips(scorer, repeated(clips, NUM_BEFORE), num_resamples=50)
    before = process.memory_info().rss
    most = before

    def watch(stage: str, done: int, total: int) -> None:
        nonlocal most
        del stage, done, total
        most = max(most, process.memory_info().rss)

    start, cpu = time.perf_counter(), time.process_time()
    report = evaluate_clips(scorer, repeated(clips, count), progress=watch)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    most = max(most, process.memory_info().rss)
    start = time.perf_counter()
    compute_metrics(report.predictions)
    measuring = time.perf_counter() - start
    scoring = report.metrics.scoring_seconds or 0.0
    return {
        "clips": count,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "scoring_share": scoring / seconds,
        "reading_seconds": seconds - scoring - measuring,
        "measuring_seconds": measuring,
        "memory_mb": most / 1e6,
        "growth_mb": (most - before) / 1e6,
    }


def in_own_process(checkpoint: Path, data: Path, count: int) -> dict[str, float]:
    """`measured` in an interpreter of its own."""
    command = [sys.executable, "-m", "benchmarks.large_evaluation", str(checkpoint), str(data), "--alone", str(count)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(answer.splitlines()[-1])
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 if it came to its end."""
    parser = argparse.ArgumentParser(prog="large_evaluation", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path, help="clips to take round and round")
    parser.add_argument("--counts", default="1000,5000,10000")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.alone is not None:
        print(json.dumps(measured(options.checkpoint, options.data, options.alone)))
        return 0
    rows = [in_own_process(options.checkpoint, options.data, int(count)) for count in options.counts.split(",")]
    table = Table("clips")
    headings = ("s", "CPU s", "clips/s", "in the encoder", "reading s", "measuring s", "memory MB", "grown by MB")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            f"{row['clips']:.0f}",
            f"{row['seconds']:.0f}",
            f"{row['cpu_seconds']:.0f}",
            f"{row['clips'] / row['seconds']:.0f}",
            f"{row['scoring_share']:.1%}",
            f"{row['reading_seconds']:.1f}",
            f"{row['measuring_seconds']:.1f}",
            f"{row['memory_mb']:.0f}",
            f"{row['growth_mb']:.1f}",
        )
    Console().print(table)
    if options.json is not None:
        write_whole(options.json, json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
