"""Fine-tuning on clips by the ten thousand: memory and the time of every stage.

    python -m benchmarks.large_training [--counts 1000,4000,16000]

The clips of `speech_commands_fewshot` are taken round and round, under names of other speakers. Each count runs in a
process of its own; its memory is what belongs to it alone (`RssAnon`), without the pages of files that the system can
drop at any time. Linux only.
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

from rich.console import Console
from rich.table import Table

from benchmarks.recordings import DATA, KEYWORDS
from speechtune.data.sets.loading import load_clips
from speechtune.recipe import Recipe
from speechtune.training.finetune import TrainingData, finetune

STAGES = ("read clips", "embed", "cross-fit", "train head")


def own_memory_mb() -> float:
    """Memory of this process that no file backs."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1_024 for line in status.splitlines() if line.startswith("RssAnon"))


def measured(count: int) -> dict[str, float]:
    """Fine-tune on `count` clips in this process."""
    pool, most, is_over = load_clips(DATA / "speech_commands_fewshot"), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not is_over.wait(0.1):
            most = max(most, own_memory_mb())

    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "clips"
        for number in range(count):
            clip = pool.clips[number % len(pool.clips)]
            (data / clip.label).mkdir(parents=True, exist_ok=True)
            (data / clip.label / f"{number:08x}_nohash_0.flac").symlink_to(clip.path.resolve())
        watcher, start = threading.Thread(target=watch), time.process_time()
        watcher.start()
        try:
            result = finetune(TrainingData(data, KEYWORDS), Path(scratch) / "model", Recipe())
        finally:
            is_over.set()
            watcher.join()
    return {"memory MB": most, "CPU s": time.process_time() - start} | {s: result.seconds[s] for s in STAGES}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="1000,4000,16000")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one is not None:
        print(json.dumps(measured(options.one)))
        return 0
    table = Table("clips", "memory MB", "CPU s", *STAGES, box=None)
    for count in map(int, options.counts.split(",")):
        command = [sys.executable, "-m", "benchmarks.large_training", "--one", str(count)]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        table.add_row(f"{count:,}", *(f"{value:.0f}" for value in row.values()))
    Console(width=110).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
