"""Quiet microphones: how many words the session still finds at lower levels, and what it finds in silence.

    python -m benchmarks.levels --set WORDS ../shared/data/speech_commands_dev --set PHRASES PHRASE_CLIPS
        [--noises ../shared/data/noise] [--every 1] [--silence-minutes 10]

Each `--set` names a checkpoint and a folder of clips, one folder per keyword. Every clip is scaled so that its peak
lies at the given level (`as is`: left alone) and rounded to 16 bits. `alone`: the share of clips in which a session of
their own detects the right keyword. `stream`: the same of one long stream of all clips, a second of digital silence
apart. `whole clip`: the share whose best keyword is the right one where the clip, as it came, is placed in one window
by its energy, with neither session nor threshold.

Of each kind of silence, made here and rounded to 16 bits too, a stretch of speech that began and a keyword that was
detected are counted. `--noises` plays recordings of noise as they are and 30 dB lower.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from speechtune.audio.files import read_audio
from speechtune.audio.placement import place_by_energy
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.loading import load_clips, load_noise
from speechtune.errors import SpeechTuneError
from speechtune.models.opened import OpenModel, open_model
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.driver import SAMPLES_FORMAT, chunks_of, run_session
from speechtune.streaming.events import Detection, Event, SpeechStarted
from speechtune.streaming.session import Session
from speechtune.streaming.voice.activity import ActivityModel, SileroActivity

PEAKS_DBFS: tuple[float | None, ...] = (None, -30.0, -40.0, -45.0, -50.0, -55.0)
"""Levels of a clip's peak; None: as it is."""
_GAP_SAMPLES = SAMPLE_RATE_HZ
_FULL_SCALE = 32_767.0
_NOISE_CUTS_DB = (0.0, -30.0)
_BATCH = 32


@dataclass(frozen=True)
class Spoken:
    """A clip, float32[N] at 16 kHz, and the keyword that is said in it."""

    label: str
    samples: NDArray[np.float32]


def as_16_bit(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Samples rounded to what 16 bits can hold."""
    return (np.round(np.clip(samples, -1.0, 1.0) * _FULL_SCALE) / _FULL_SCALE).astype(np.float32)


def at_peak(samples: NDArray[np.float32], peak_dbfs: float | None) -> NDArray[np.float32]:
    """Samples scaled to a peak (None: not scaled) and rounded to 16 bits; digital silence stays so."""
    peak = float(np.abs(samples).max(initial=0.0))
    gain = 1.0 if peak_dbfs is None or peak == 0.0 else 10.0 ** (peak_dbfs / 20.0) / peak
    return as_16_bit(samples * gain)


class Ear:
    """Sessions of one checkpoint, each fresh."""

    def __init__(self, system: OpenModel, activity: ActivityModel) -> None:
        self.scorer, self._settings, self._activity = system.scorer, system.settings, activity

    def events(self, samples: NDArray[np.float32]) -> list[Event]:
        """All events of float32[N] at 16 kHz."""
        scorer, settings = self.scorer, self._settings
        config = SessionConfig(SAMPLES_FORMAT, detector=settings.detector, endpointing=settings.endpointing)
        session = Session(config, scorer.labels, scorer.thresholds, scorer.window_samples)
        return list(run_session(session, scorer, self._activity, chunks_of(samples)))

    def found_alone(self, spoken: Sequence[Spoken]) -> float:
        """Share of clips in which a session of their own detects what is said."""
        return float(np.mean([one.label in _labels(self.events(one.samples)) for one in spoken]))

    def found_in_stream(self, spoken: Sequence[Spoken]) -> float:
        """The same, where one session hears all clips; a detection belongs to the clip it was made in or after."""
        gap = np.zeros(_GAP_SAMPLES, dtype=np.float32)
        stream = np.concatenate([part for one in spoken for part in (one.samples, gap)])
        ends = np.cumsum([len(one.samples) + _GAP_SAMPLES for one in spoken])
        found: list[set[str]] = [set() for _ in spoken]
        for event in self.events(stream):
            if isinstance(event, Detection):
                found[int(np.searchsorted(ends, event.decision_sample))].add(event.label)
        return float(np.mean([one.label in labels for one, labels in zip(spoken, found, strict=True)]))

    def right_whole(self, spoken: Sequence[Spoken]) -> float:
        """Share of clips whose best keyword is the right one, each placed in one window."""
        keywords = self.scorer.labels.keywords
        windows = [place_by_energy(one.samples, self.scorer.window_samples) for one in spoken]
        batches = [np.stack(windows[start : start + _BATCH]) for start in range(0, len(windows), _BATCH)]
        best = np.concatenate([self.scorer.score(batch)[:, : len(keywords)].argmax(axis=1) for batch in batches])
        return float(np.mean([keywords[index] == one.label for index, one in zip(best, spoken, strict=True)]))


def _labels(events: Sequence[Event]) -> set[str]:
    return {event.label for event in events if isinstance(event, Detection)}


def level_table(system: OpenModel, ear: Ear, clips: Path, every: int) -> Table:
    """What is found of one folder of clips at every level; of its keyword clips every `every`-th is taken."""
    of_keywords = [clip for clip in load_clips(clips).clips if clip.label in system.scorer.labels.keywords]
    spoken = [Spoken(clip.label, read_audio(clip.path)) for clip in of_keywords[::every]]
    table = _table(f"{system.name}: {len(spoken)} clips", ("peak", "alone", "stream", "whole clip"))
    for peak in PEAKS_DBFS:
        scaled = [Spoken(one.label, at_peak(one.samples, peak)) for one in spoken]
        shares = (ear.found_alone(scaled), ear.found_in_stream(scaled), ear.right_whole(scaled))
        table.add_row("as is" if peak is None else f"{peak:.0f} dBFS", *(f"{share:.1%}" for share in shares))
    return table


def silence_table(ear: Ear, minutes: float, noises: Sequence[Path]) -> Table:
    """What is found where nobody speaks."""
    table = _table(f"{minutes:g} minutes of each kind of silence", ("silence", "stretches", "detections"))
    num_samples = round(60 * minutes * SAMPLE_RATE_HZ)
    for name, make in SILENCES.items():
        _add_silence(table, name, ear.events(as_16_bit(make(np.random.default_rng(1), num_samples))))
    for path in noises:
        samples = read_audio(path, max_seconds=math.inf)
        for cut_db in _NOISE_CUTS_DB:
            name = f"{path.stem} {cut_db:+.0f} dB ({len(samples) / SAMPLE_RATE_HZ:.0f} s)"
            _add_silence(table, name, ear.events(as_16_bit(samples * 10.0 ** (cut_db / 20.0))))
    return table


def _add_silence(table: Table, name: str, events: Sequence[Event]) -> None:
    num_stretches = sum(isinstance(event, SpeechStarted) for event in events)
    table.add_row(name, str(num_stretches), str(sum(isinstance(event, Detection) for event in events)))


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left", no_wrap=True)
    return table


_Waves = NDArray[np.float64]


def _at_rms(waves: _Waves, rms_dbfs: float) -> _Waves:
    scaled: _Waves = waves * (10.0 ** (rms_dbfs / 20.0) / np.sqrt(np.mean(np.square(waves))))
    return scaled


def _dither(rng: np.random.Generator, num_samples: int) -> _Waves:
    return rng.integers(-1, 2, num_samples) / _FULL_SCALE


def _coloured(rms_dbfs: float, slope: float) -> Callable[[np.random.Generator, int], _Waves]:
    """Noise whose amplitude falls with frequency to the power of `slope` / 2: 0 is white, 1 pink, 2 brown."""

    def make(rng: np.random.Generator, num_samples: int) -> _Waves:
        spectrum = np.fft.rfft(rng.standard_normal(num_samples))
        hz = np.fft.rfftfreq(num_samples, 1.0 / SAMPLE_RATE_HZ)
        return _at_rms(np.fft.irfft(spectrum / np.maximum(hz, 20.0) ** (slope / 2.0), num_samples), rms_dbfs)

    return make


def _hum(rng: np.random.Generator, num_samples: int) -> _Waves:
    """The mains at -50 dBFS: 50 Hz and its first harmonics, over noise at -75 dBFS."""
    seconds = np.arange(num_samples) / SAMPLE_RATE_HZ
    tones = sum(
        (np.sin(2 * np.pi * 50.0 * order * seconds) / order for order in (1, 2, 3, 5, 7)), np.zeros(num_samples)
    )
    return _at_rms(tones, -50.0) + _coloured(-75.0, 0.0)(rng, num_samples)


def _clicks(rng: np.random.Generator, num_samples: int) -> _Waves:
    """A click of 3 ms with a peak between -60 and -30 dBFS, every two seconds or so, over noise at -75 dBFS."""
    waves = _coloured(-75.0, 0.0)(rng, num_samples)
    length = 48
    for start in np.flatnonzero(rng.random(num_samples - length) < 0.5 / SAMPLE_RATE_HZ):
        decay = np.exp(-np.arange(length) / 10.0) * rng.choice([-1.0, 1.0], length)
        waves[start : start + length] += decay * 10.0 ** (rng.uniform(-60.0, -30.0) / 20.0)
    return waves


def _fan(rng: np.random.Generator, num_samples: int) -> _Waves:
    """Brown noise at -50 dBFS that swells by a tenth four times a second, and the tone of its blades."""
    seconds = np.arange(num_samples) / SAMPLE_RATE_HZ
    swell = 1.0 + 0.1 * np.sin(2 * np.pi * 4.0 * seconds)
    return _coloured(-50.0, 2.0)(rng, num_samples) * swell + 0.001 * np.sin(2 * np.pi * 120.0 * seconds)


def _chords(rng: np.random.Generator, num_samples: int) -> _Waves:
    """Music-like: three tones with two harmonics each, another chord every second, at -45 dBFS over noise at -75."""
    waves = np.zeros(num_samples)
    for start in range(0, num_samples, SAMPLE_RATE_HZ):
        seconds = np.arange(min(SAMPLE_RATE_HZ, num_samples - start)) / SAMPLE_RATE_HZ
        shape = np.minimum(seconds / 0.05, 1.0) * np.exp(-2.0 * seconds)
        for step in rng.choice(24, 3, replace=False):
            hz = 220.0 * 2.0 ** (step / 12.0)
            waves[start : start + len(seconds)] += shape * sum(
                np.sin(2 * np.pi * hz * order * seconds) / order for order in (1, 2, 3)
            )
    return _at_rms(waves, -45.0) + _coloured(-75.0, 0.0)(rng, num_samples)


SILENCES: dict[str, Callable[[np.random.Generator, int], _Waves]] = {
    "digital zero": lambda _, num_samples: np.zeros(num_samples),
    "dither of 1 LSB": _dither,
    **{f"white noise at {level:.0f} dBFS": _coloured(level, 0.0) for level in (-70.0, -60.0, -50.0, -40.0)},
    **{f"pink noise at {level:.0f} dBFS": _coloured(level, 1.0) for level in (-70.0, -60.0, -50.0, -40.0)},
    "hum of 50 Hz": _hum,
    "clicks": _clicks,
    "fan": _fan,
    "chords": _chords,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; 0 if all came to their end, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="sets", type=Path, nargs=2, action="append", required=True)
    parser.add_argument("--noises", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--silence-minutes", type=float, default=10.0)
    options = parser.parse_args(argv)
    console, activity = Console(width=100), SileroActivity()
    try:
        for checkpoint, clips in options.sets:
            system = open_model(checkpoint)
            ear = Ear(system, activity)
            console.print(level_table(system, ear, clips, options.every))
            if options.silence_minutes > 0.0:
                noises = load_noise(options.noises) if options.noises else ()
                console.print(silence_table(ear, options.silence_minutes, noises))
    except SpeechTuneError as error:
        print(f"levels: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
