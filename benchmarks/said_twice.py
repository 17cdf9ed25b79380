"""A word said twice: how many of the two are reported, by the pause between them and by what the stream is set to.

    python -m benchmarks.said_twice CKPT CLIPS [--pairs 5]

CLIPS has a folder for each keyword. Pairs of its clips, the quiet at their ends cut off, stand so far apart in a little
noise; each pair is heard by the session alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms
from speechtune.models.opened import OpenModel, open_model
from speechtune.remote.load_generator import read_clips
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.driver import SAMPLES_FORMAT, run_session
from speechtune.streaming.events import Detection
from speechtune.streaming.session import Session
from speechtune.streaming.voice.activity import SileroActivity

PAUSES_MS = (100, 150, 200, 250, 300, 400, 600)
SETTINGS = {
    "refractory 500 ms": (500, 160),
    "refractory 0": (0, 160),
    "refractory 0, hangover 80 ms": (0, 80),
}
"""By heading: `detector.refractory_ms` and `endpointing.hangover_ms`."""
_LEVEL = 0.0005


def pairs(clips: Path, keywords: tuple[str, ...], num_pairs: int) -> Iterator[tuple[str, list[NDArray[np.float32]]]]:
    """So many pairs of takes of every keyword."""
    for keyword in keywords:
        takes = read_clips([clips / keyword], 2 * num_pairs, 0)
        for number in range(len(takes) // 2):
            yield keyword, takes[2 * number : 2 * number + 2]


def said_twice(takes: list[NDArray[np.float32]], pause_ms: int) -> NDArray[np.float32]:
    """Both takes, so far apart, in a little noise: float32[N]."""
    quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    parts = [quiet, takes[0], np.zeros(samples_from_ms(pause_ms), np.float32), takes[1], quiet, quiet]
    joined = np.concatenate(parts)
    noise = _LEVEL * np.random.default_rng(0).standard_normal(len(joined))
    return (joined + noise).astype(np.float32)


def num_reported(model: OpenModel, samples: NDArray[np.float32], keyword: str, settings: tuple[int, int]) -> int:
    """How often the keyword is detected."""
    refractory_ms, hangover_ms = settings
    config = SessionConfig(
        SAMPLES_FORMAT,
        detector=model.settings.detector.model_copy(update={"refractory_ms": refractory_ms}),
        endpointing=model.settings.endpointing.model_copy(update={"hangover_ms": hangover_ms}),
    )
    session = Session(config, model.labels, model.thresholds, model.scorer.window_samples)
    events = run_session(session, model.scorer, SileroActivity(), [samples])
    return sum(isinstance(event, Detection) and event.label == keyword for event in events)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--pairs", type=int, default=5, help="of each keyword")
    given = parser.parse_args()
    model = open_model(given.checkpoint, num_cores=1)
    takes = list(pairs(given.clips, model.labels.keywords, given.pairs))
    table = Table(title=f"{len(takes)} pairs, {2 * len(takes)} words", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("pause, ms", *SETTINGS):
        table.add_column(heading, justify="right")
    for pause_ms in PAUSES_MS:
        heard = [
            sum(num_reported(model, said_twice(both, pause_ms), keyword, settings) for keyword, both in takes)
            for settings in SETTINGS.values()
        ]
        table.add_row(str(pause_ms), *map(str, heard))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
