"""How much faster than it sounds `speechtune evaluate --stream` hears recordings, by backend, and at the same events?

    python -m benchmarks.stream_speed CKPT RECORDINGS [--backends torch,onnx,onnx-int8]

For each backend, and for the first of them with every window scored, as `speechtune threshold` does: how many times as
fast as real time by the clock, processor seconds for an hour of audio (which other programs on the machine do not
change much), looks at windows for a second of audio (a window in doubt is looked at three times), and the events that
only one of it and the first row reports. Export and loading are not counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from speechtune.evaluation.streams.compute import LOWEST_DET_THRESHOLD
from speechtune.evaluation.streams.playback import Playback, play
from speechtune.evaluation.streams.recordings import find_recordings
from speechtune.models.backends import Backend
from speechtune.models.opened import open_model
from speechtune.models.scorers.second_look import DOUBT
from speechtune.streaming.config import Scorer
from speechtune.streaming.decision import WindowScored
from speechtune.streaming.voice.activity import SileroActivity


@dataclass(frozen=True)
class Heard:
    """One backend: the playback, its time by the clock and of the processor, in seconds, and how often it looked."""

    playback: Playback
    seconds: float
    processor_seconds: float
    num_looks: int


class CountingScorer:
    """A scorer that counts the windows it is asked for, also by a second look around it."""

    def __init__(self, scorer: Scorer) -> None:
        self.labels, self.thresholds, self.window_samples = scorer.labels, scorer.thresholds, scorer.window_samples
        self._scorer = scorer
        self.num_windows = 0

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """As the scorer itself."""
        self.num_windows += len(windows)
        return self._scorer.score(windows)


def heard(checkpoint: Path, source: Path, backend: Backend, exact_from: float) -> Heard:
    """Play everything once."""
    system, activity, recordings = open_model(checkpoint, backend), SileroActivity(), find_recordings(source)
    scorer = system.scorer
    inner = getattr(scorer, "_scorer", None)  # of a second look
    counting = CountingScorer(inner or scorer)
    if inner is not None:
        scorer._scorer = counting  # type: ignore[attr-defined]
    else:
        scorer = counting
    scorer.score(np.zeros((1, scorer.window_samples), dtype=np.float32))  # the first call prepares the model
    counting.num_windows = 0
    start, processor = time.perf_counter(), time.process_time()
    playback = play(scorer, activity, recordings, system.settings, exact_from=exact_from)
    return Heard(playback, time.perf_counter() - start, time.process_time() - processor, counting.num_windows)


def events_of(playback: Playback) -> Counter[tuple[str, str, int, int]]:
    """What was reported, and where; confidences differ in their last digits whatever one does."""
    return Counter(
        (one.recording.name, event.label, event.start_sample, event.end_sample)
        for one in playback.heard
        for event in one.detections
    )


def share_in_doubt(playback: Playback) -> float:
    """Share of the windows whose final answer is in doubt: about those that are looked at three times."""
    num_keywords = len(playback.labels.keywords)
    best = np.array(
        [
            step.posteriors[:num_keywords].max()
            for one in playback.heard
            for step in one.steps or ()
            if isinstance(step, WindowScored) and step.posteriors is not None
        ]
    )
    return float(((best > DOUBT[0]) & (best < DOUBT[1])).mean()) if len(best) else 0.0


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--backends", default=",".join(Backend))
    given = parser.parse_args(argv)
    table = Table(box=SIMPLE_HEAD)
    headings = (
        "backend",
        "times real time",
        "CPU s an hour",
        "ms a window",
        "looks a second",
        "events",
        "of one alone",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    first: Counter[tuple[str, str, int, int]] | None = None
    names = given.backends.split(",")
    rows = [(f"{names[0]}, every window", names[0], 0.0), *((name, name, LOWEST_DET_THRESHOLD) for name in names)]
    for title, name, exact_from in rows:
        one = heard(given.checkpoint, given.recordings, Backend(name), exact_from)
        audio, events = one.playback.audio_seconds, events_of(one.playback)
        first = events if first is None else first
        table.add_row(
            title,
            f"{audio / one.seconds:.1f}",
            f"{3600 * one.processor_seconds / audio:.0f}",
            f"{1000 * one.seconds / max(one.playback.num_windows, 1):.1f}",
            f"{one.num_looks / audio:.2f}",
            str(events.total()),
            str(((events - first) + (first - events)).total()),
        )
    console = Console(width=100)
    console.print(table)
    console.print(
        f"{audio / 60:.1f} minutes, {one.playback.num_windows} windows, {share_in_doubt(one.playback):.0%} in doubt",
        highlight=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
