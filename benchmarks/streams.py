"""Misses and false accepts an hour on long mixes, with thresholds chosen on other voices, sentences and noises.

    python -m benchmarks.streams prepare DATA OUT [--minutes 32]
    speechtune finetune DATA/speech_commands_fewshot … --negatives OUT/negatives --out CKPT
    python -m benchmarks.streams measure CKPT OUT [--fa-per-hour 0.5]

`prepare` halves the speakers of DATA/speech_commands_dev, the sentences and the noises, and plants commands in both
halves at 20, 10, 5 and 0 dB: OUT/a to choose thresholds on, OUT/b to measure on. OUT/negatives holds the sentences of
half a, for those who train with them. `measure` listens to both halves and shows each at the checkpoint's own
thresholds and at those chosen on the other. `by hand` is what no session could do without: the same words cut out where
they are known to lie, and the share whose best keyword is another one, with no threshold at all.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.recordings import in_half_a
from data_scripts.mix_long_stream import Sources, write_mix
from speechtune.audio.files import read_audio
from speechtune.audio.placement import cut_window, energy_centre
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.loading import load_clips, load_negatives, load_noise
from speechtune.errors import SpeechTuneError
from speechtune.evaluation.certainty.intervals import poisson_interval
from speechtune.evaluation.streams.operating_point import choose_stream_thresholds
from speechtune.evaluation.streams.playback import Playback, play
from speechtune.evaluation.streams.recordings import Recording, find_recordings
from speechtune.evaluation.streams.scoring import score_streams
from speechtune.labels import RESERVED
from speechtune.models.opened import open_model
from speechtune.streaming.config import Scorer
from speechtune.streaming.voice.activity import SileroActivity

LEVELS_DB = (20.0, 10.0, 5.0, 0.0)
SEED = 7
_NOISES_A = frozenset({"doing_the_dishes", "pink_noise", "running_tap"})
_ALOUD = (("20 dB", ("snr_20",)), ("10 dB", ("snr_10",)), ("≥ 10 dB", ("snr_20", "snr_10")))
_GROUPS = (*_ALOUD, ("5 dB", ("snr_5.",)), ("0 dB", ("snr_0.",)), ("all", ("snr_",)))


def halves(data: Path) -> dict[str, Sources]:
    """Commands, sentences and noises of both halves, in a seeded order."""
    spoken = [clip for clip in load_clips(data / "speech_commands_dev").clips if clip.label not in RESERVED]
    said, noises = load_negatives(data / "sentences_dev").clips, load_noise(data / "noise")
    found = {}
    for place, name in enumerate("ab"):
        commands = [clip for clip in spoken if in_half_a(clip) == (name == "a")]
        sentences = said[place::2]
        rng = np.random.default_rng(SEED)
        found[name] = Sources(
            commands=tuple(commands[index] for index in rng.permutation(len(commands))),
            sentences=tuple(sentences[index] for index in rng.permutation(len(sentences))),
            noises=tuple(path for path in noises if (path.stem in _NOISES_A) == (name == "a")),
        )
    return found


def prepare(data: Path, out: Path, minutes: float) -> None:
    """Write the mixes of both halves and the sentences of half a."""
    for name, half in halves(data).items():
        folder, sources = out / name, half
        folder.mkdir(parents=True, exist_ok=True)
        for index, level in enumerate(LEVELS_DB):
            path = folder / f"snr_{level:g}.flac"
            used = write_mix(sources, path, round(minutes * 60 * SAMPLE_RATE_HZ), level, SEED + 1000 * index)
            sources = replace(sources, commands=sources.commands[used:])
            print(f"{path}: {used} commands")
        if name == "a":
            (out / "negatives").mkdir(exist_ok=True)
            for clip in half.sentences:
                shutil.copy(clip.path, out / "negatives")


def measure(checkpoint: Path, mixes: Path, false_accepts_per_hour: float) -> Table:
    """Listen to both halves; a table of each at both sets of thresholds."""
    system = open_model(checkpoint)
    heard = {
        name: play(system.scorer, SileroActivity(), find_recordings(mixes / name), system.settings) for name in "ab"
    }
    hours = sum(one.audio_seconds for one in heard.values()) / 3600
    title = f"{system.name}: {hours:.2f} h"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("mixes", no_wrap=True)
    for heading in ("thresholds", "said", "by hand", "missed", "false", "an hour", "95 %", "confused", "p50/p95 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for half, other in ("ba", "ab"):
        wrong = {one.recording.name: _wrong_by_hand(system.scorer, one.recording) for one in heard[half].heard}
        chosen = choose_stream_thresholds(heard[other], false_accepts_per_hour)
        for name, thresholds in (("own", heard[half].thresholds), (f"from {other}", chosen.thresholds)):
            _add_rows(table, heard[half], wrong, f"{half}, {name}", thresholds)
            table.add_section()
    rate = hours * 3600 / sum(one.seconds for one in heard.values())
    table.caption = (
        f"heard {rate:.0f} times as fast as it sounds; {false_accepts_per_hour:g} an hour asked for on the other half"
    )
    return table


def _wrong_by_hand(scorer: Scorer, recording: Recording) -> NDArray[np.bool_]:
    """bool[words]: whether a word of a recording is taken for another keyword where its place is given."""
    samples = read_audio(recording.path, max_seconds=math.inf)
    windows = []
    for word in recording.spoken:
        centre = word.start_sample + energy_centre(samples[word.start_sample : word.end_sample])
        windows.append(cut_window(samples, centre - scorer.window_samples // 2, scorer.window_samples))
    best = scorer.score(np.stack(windows))[:, : len(scorer.labels.keywords)].argmax(axis=1)
    return best != [scorer.labels.keywords.index(word.label) for word in recording.spoken]


def _add_rows(
    table: Table, heard: Playback, wrong: dict[str, NDArray[np.bool_]], name: str, thresholds: dict[str, float]
) -> None:
    streams = heard.streams_at(thresholds)
    for title, prefixes in _GROUPS:
        by_hand = np.concatenate([words for place, words in wrong.items() if place.startswith(prefixes)])
        scores = score_streams([one for one in streams if one.name.startswith(prefixes)], heard.labels.keywords)
        total, latency = scores.total, scores.latency
        interval = poisson_interval(total.num_alone, scores.negative_hours)
        table.add_row(
            title,
            name,
            str(total.num_spoken),
            f"{by_hand.mean():.1%}",
            f"{total.false_reject_rate:.1%}",
            str(total.num_alone),
            f"{total.num_alone / scores.negative_hours:.2f}",
            f"{interval.low:.1f}–{interval.high:.1f}",
            str(total.num_confused),
            "–" if latency is None else f"{latency.median_ms:.0f}/{latency.p95_ms:.0f}",
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the two steps; 0 if it came to its end, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(prog="streams", description=(__doc__ or "").splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("prepare")
    first.add_argument("data", type=Path)
    first.add_argument("out", type=Path)
    first.add_argument("--minutes", type=float, default=32.0, help="length of each of the eight recordings, at least")
    second = steps.add_parser("measure")
    second.add_argument("checkpoint", type=Path)
    second.add_argument("out", type=Path)
    second.add_argument("--fa-per-hour", type=float, default=0.5)
    options = parser.parse_args(argv)
    try:
        if options.step == "prepare":
            prepare(options.data, options.out, options.minutes)
        else:
            Console().print(measure(options.checkpoint, options.out, options.fa_per_hour))
    except SpeechTuneError as error:
        print(f"streams: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
