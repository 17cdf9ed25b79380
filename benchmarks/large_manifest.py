"""How load, split, counts and the search for copies grow with the number of clips: processor time and memory.

    python -m benchmarks.large_manifest --sizes 12500,25000,50000,100000

Each size runs in a process of its own. The clips are links to one file, their fingerprints are made up: what is
measured is what is done beside reading audio, whose cost per clip `benchmarks.inspection_speed` gives. `found` is the
share of planted copies that the search finds.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from speechtune.audio.files import write_flac
from speechtune.audio.fingerprint import SoundPrint
from speechtune.data.choice.splits import SplitFractions, split_clips
from speechtune.data.inspection.copies import find_copies
from speechtune.data.sets.clips import Clip, ClipSet, count_labels
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.manifest import write_manifest

_SOUND = np.random.default_rng(0).standard_normal(4_000).astype(np.float32)
_MAX_LINKS = 30_000  # file systems allow 65,000 names of one file


def measure(num_clips: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        manifest = _write(Path(folder), num_clips)
        seconds = {}
        start = time.process_time()
        clip_set = load_clips(manifest)
        seconds["load"] = time.process_time() - start
        start = time.process_time()
        splits = split_clips(clip_set.clips, SplitFractions(), 0)
        seconds["split"] = time.process_time() - start
        start = time.process_time()
        counts = count_labels(clip_set.clips)
        seconds["count"] = time.process_time() - start
        prints, num_planted = _make_prints(num_clips)
        start = time.process_time()
        found = find_copies(prints, lambda _place: _SOUND)
        seconds["copies"] = time.process_time() - start
        assert sum(counts.values()) == len(splits.train) + len(splits.valid) + len(splits.test) == num_clips
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{num_clips:>8} "
        + " ".join(f"{seconds[stage]:>8.2f}" for stage in seconds)
        + f" {len({later for _, later in found}) / num_planted:>8.1%} {peak_mb:>8.0f}",
        flush=True,
    )


def _make_prints(num_clips: int) -> tuple[list[SoundPrint], int]:
    """Fingerprints that vary as those of Speech Commands do; the last twentieth are copies of the first one."""
    rng = np.random.default_rng(0)
    num_planted = num_clips // 20
    shapes = rng.standard_normal((num_clips, 99), np.float32) * (6.5 / (1.0 + np.arange(99) / 4.0))
    blur = 0.12 * np.exp(0.8 * rng.standard_normal((num_planted, 1)))
    shapes[-num_planted:] = shapes[:num_planted] + blur * rng.standard_normal((num_planted, 99))
    words = rng.integers(0, 2**32, (num_clips, 90), dtype=np.uint32)
    flipped = (rng.random((num_planted, 90, 32)) < 0.15) @ (2 ** np.arange(32, dtype=np.uint64))
    words[-num_planted:] = words[:num_planted] ^ flipped.astype(np.uint32)
    is_loud = np.ones(90, dtype=bool)
    return [
        SoundPrint(bits, is_loud, shape.astype(np.float32)) for bits, shape in zip(words, shapes, strict=True)
    ], num_planted


def _write(folder: Path, num_clips: int) -> Path:
    clips = []
    source = folder
    for number in range(num_clips):
        path = folder / f"{number % 1000}" / f"{number}.flac"
        if number < 1000:
            path.parent.mkdir()
        if number % _MAX_LINKS == 0:
            write_flac(path, np.zeros(1_600, dtype=np.float32))
            source = path
        else:
            os.link(source, path)
        clips.append(Clip(path, f"word{number % 35}", speaker=f"s{number % 2_000}"))
    write_manifest(folder / "manifest.jsonl", ClipSet(folder, tuple(clips)))
    return folder / "manifest.jsonl"


def main() -> int:
    parser = argparse.ArgumentParser(prog="large_manifest")
    parser.add_argument("--sizes", default="12500,25000,50000,100000")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one)
        return 0
    print(
        f"{'clips':>8} {'load s':>8} {'split s':>8} {'count s':>8} {'copies s':>8} {'found':>8} {'peak MB':>8}",
        flush=True,
    )
    for size in options.sizes.split(","):
        subprocess.run([sys.executable, "-m", "benchmarks.large_manifest", "--one", size], check=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
