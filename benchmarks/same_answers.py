"""Dev clips through a running server at the pace they were spoken: right label, right place, one answer everywhere.

    python -m benchmarks.same_answers CKPT ../shared/data/speech_commands_dev --clips 20

Every clip is streamed in chunks of 40 ms at real-time pace, sent whole to Recognize, and recognised in this process;
the three must agree on label and offsets, and the offsets must lie where the clip is loud.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from speechtune.audio.files import read_audio
from speechtune.audio.levels import active_range
from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms, seconds_from_samples
from speechtune.models.checkpoints.checkpoint import Checkpoint, load_checkpoint
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.driver import SAMPLES_FORMAT, chunks_of, run_session
from speechtune.streaming.events import Detection as LocalDetection
from speechtune.streaming.session import Session
from speechtune.streaming.voice.activity import SileroActivity
from speechtune_client import CommandClient, Detection

_CHUNK_MS = 40
_TOLERANCE_SECONDS = 0.3

Answer = list[tuple[str, float, float]]


def main() -> int:
    """Print a row per clip and the totals; 0 if all three ways agree on every clip."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    checkpoint = load_checkpoint(options.checkpoint)
    paths = _draw(options.data, checkpoint.classifier.labels.keywords, options.clips, options.seed)
    table = Table("clip", "streamed", "from", "to", "loud from", "loud to", "latency", "same")
    num_right = num_placed = num_same = 0
    with _server(options.checkpoint) as address, CommandClient(address) as client:
        for path in paths:
            samples = read_audio(path)
            streamed, latency = _streamed(client, samples)
            clip = client.recognize(path.read_bytes(), "FLAC").detections
            whole: Answer = [(found.label, found.start_offset, found.end_offset) for found in clip]
            same = streamed == whole == _local(checkpoint, samples)
            start, end = map(seconds_from_samples, active_range(samples) or (0, len(samples)))
            right = [label for label, *_ in streamed] == [path.parent.name]
            placed = right and abs(streamed[0][1] - start) < _TOLERANCE_SECONDS
            num_right, num_placed, num_same = num_right + right, num_placed + placed, num_same + same
            shown = streamed[0] if streamed else ("–", float("nan"), float("nan"))
            numbers = [f"{value:.2f}" for value in (*shown[1:], start, end)]
            name = f"{path.parent.name}/{path.stem}"
            table.add_row(name, shown[0], *numbers, f"{latency * 1e3:.0f} ms", "yes" if same else "NO")
    Console(width=130).print(table)
    print(f"{num_right} of {len(paths)} labels right, {num_placed} of them in their place, {num_same} the same thrice")
    return 0 if num_same == len(paths) else 1


def _draw(data: Path, keywords: tuple[str, ...], num_clips: int, seed: int) -> list[Path]:
    rng = np.random.default_rng(seed)
    paths = sorted(path for keyword in keywords for path in (data / keyword).glob("*.flac"))
    return [paths[index] for index in sorted(rng.choice(len(paths), num_clips, replace=False))]


def _streamed(client: CommandClient, samples: NDArray[np.float32]) -> tuple[Answer, float]:
    """The detections, and the time from the last sample that a decision needed to its arrival (0 without any)."""
    pcm = np.round(samples * 32767).astype("<i2").tobytes()
    step = 2 * samples_from_ms(_CHUNK_MS)
    start = time.monotonic()

    def paced() -> Iterator[bytes]:
        for index, position in enumerate(range(0, len(pcm), step)):
            time.sleep(max(0.0, start + (index + 1) * _CHUNK_MS / 1000 - time.monotonic()))
            yield pcm[position : position + step]

    answer: Answer = []
    latency = 0.0
    for event in client.stream(paced()):
        if isinstance(event, Detection):
            answer.append((event.label, event.start_offset, event.end_offset))
            latency = max(latency, time.monotonic() - start - event.decision_offset)
    return answer, latency


def _local(checkpoint: Checkpoint, samples: NDArray[np.float32]) -> Answer:
    scorer = checkpoint.scorer()
    recipe = checkpoint.recipe
    config = SessionConfig(SAMPLES_FORMAT, detector=recipe.detector, endpointing=recipe.endpointing)
    session = Session(config, scorer.labels, scorer.thresholds, scorer.window_samples)
    found = run_session(session, scorer, SileroActivity(), chunks_of(samples))
    return [
        (event.label, event.start_sample / SAMPLE_RATE_HZ, event.end_sample / SAMPLE_RATE_HZ)
        for event in found
        if isinstance(event, LocalDetection)
    ]


@contextmanager
def _server(checkpoint: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "speechtune", "serve", str(checkpoint), "--address", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
    try:
        found = next((match for line in process.stderr or () if (match := re.search(r"127\.0\.0\.1:\d+", line))), None)
        if found is None:
            raise SystemExit("the server did not start")
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


if __name__ == "__main__":
    raise SystemExit(main())
