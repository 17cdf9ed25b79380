"""Plant commands inside sentences and noise, and write down where: a long recording whose truth is known.

    python -m data_scripts.mix_stream COMMANDS SENTENCES OUT.flac --count 30

COMMANDS is a data set (folder per label or manifest), SENTENCES a folder of recordings without commands. Beside
OUT.flac come OUT.jsonl (label, start_sample, end_sample at 16 kHz) and OUT.txt (an Audacity label track).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import read_audio, write_flac
from speechtune.audio.levels import FLOOR_DBFS, active_range, active_speech_dbfs, rms_dbfs
from speechtune.audio.timebase import samples_from_ms, seconds_from_samples
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips, load_negatives
from speechtune.errors import ConfigError, ManifestError, SpeechTuneError
from speechtune.labels import RESERVED
from speechtune.whole_files import write_whole

_FADE_MS = 5  # joints do not click


@dataclass(frozen=True)
class Planted:
    """A command in a recording: its first active sample and the one after its last, at 16 kHz."""

    label: str
    start_sample: int
    end_sample: int


def plant_commands(
    commands: Sequence[tuple[str, NDArray[np.float32]]],
    sentences: Sequence[NDArray[np.float32]],
    seed: int,
    *,
    pause_ms: tuple[int, int] = (300, 700),
    level_dbfs: float = -25.0,
    noise: NDArray[np.float32] | None = None,
    noise_snr_db: float = 25.0,
) -> tuple[NDArray[np.float32], tuple[Planted, ...]]:
    """Lay sentences and commands one after the other, each command inside a sentence, at one level.

    Each command takes the next sentence (they come round again), which is cut at its quietest place near the middle;
    the command goes there between two pauses.

    Args:
        commands: label and float32[N] at 16 kHz, in the order in which they are planted.
        sentences: float32[N] at 16 kHz without any command.
        seed: decides the pauses and the part of the noise.
        pause_ms: shortest and longest pause, before and after a command and between sentences.
        level_dbfs: active level that every piece is brought to.
        noise: float32[N] laid under everything, repeated as needed; none: digital silence.
        noise_snr_db: level of the speech over the noise.

    Returns:
        The recording, float32[N] at 16 kHz, and the truth in the order of time.

    Raises:
        ConfigError: no sentences.
    """
    if not sentences:
        raise ConfigError("no sentences to plant commands in; give at least one recording without commands")
    rng = np.random.default_rng(seed)
    tape = _Tape(rng, pause_ms)
    tape.pause()
    truth = tuple(
        _plant(tape, label, _levelled(command, level_dbfs), _levelled(sentences[index % len(sentences)], level_dbfs))
        for index, (label, command) in enumerate(commands)
    )
    mixed = np.concatenate(tape.pieces)
    if noise is not None:
        mixed = mixed + _laid_under(noise, len(mixed), level_dbfs - noise_snr_db, rng)
    return np.clip(mixed, -1.0, 1.0).astype(np.float32), truth


def _plant(tape: _Tape, label: str, command: NDArray[np.float32], sentence: NDArray[np.float32]) -> Planted:
    cut = quietest_place(sentence)
    tape.lay(sentence[:cut])
    tape.pause()
    first, last = active_range(command) or (0, len(command))
    planted = Planted(label, tape.num_samples + first, tape.num_samples + last)
    tape.lay(command)
    tape.pause()
    tape.lay(sentence[cut:])
    tape.pause()
    return planted


class _Tape:
    """What has been laid so far, piece after piece."""

    def __init__(self, rng: np.random.Generator, pause_ms: tuple[int, int]) -> None:
        self.pieces: list[NDArray[np.float32]] = []
        self.num_samples = 0
        self._rng = rng
        self._pause_ms = pause_ms

    def lay(self, piece: NDArray[np.float32]) -> None:
        """Add a piece, faded at both ends."""
        self.pieces.append(_faded(piece))
        self.num_samples += len(piece)

    def pause(self) -> None:
        """Add silence of a random length."""
        shortest, longest = self._pause_ms
        self.lay(np.zeros(samples_from_ms(int(self._rng.integers(shortest, longest + 1))), dtype=np.float32))


def quietest_place(samples: NDArray[np.float32]) -> int:
    """Middle of the quietest 60 ms in the middle third of float32[N]: likely between two words."""
    width = samples_from_ms(60)
    first, last = len(samples) // 3, 2 * len(samples) // 3
    if last - first <= width:
        return len(samples) // 2
    energy = np.cumsum(np.square(samples[first:last], dtype=np.float64))
    return first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2


def write_truth(path: Path, truth: Sequence[Planted]) -> None:
    """Write the truth as JSONL, or as an Audacity label track if the name ends in `.txt`; whole or not at all."""
    if path.suffix.lower() == ".txt":
        lines = [
            f"{seconds_from_samples(planted.start_sample):.6f}\t{seconds_from_samples(planted.end_sample):.6f}"
            f"\t{planted.label}\n"
            for planted in truth
        ]
    else:
        lines = [json.dumps(asdict(planted), ensure_ascii=False) + "\n" for planted in truth]
    write_whole(path, "".join(lines))


def read_truth(path: Path) -> tuple[Planted, ...]:
    """Read a truth list in JSONL.

    Raises:
        ManifestError: a line is not of the form; the message names it.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_planted(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1))


def _planted(line: str, where: str) -> Planted:
    try:
        planted = Planted(**json.loads(line))
        return Planted(str(planted.label), int(planted.start_sample), int(planted.end_sample))
    except (ValueError, TypeError) as error:
        raise ManifestError(f"{where}: not label, start_sample and end_sample ({error})") from error


def _levelled(samples: NDArray[np.float32], level_dbfs: float) -> NDArray[np.float32]:
    """At `level_dbfs`, or as loud as it goes without clipping."""
    active = active_speech_dbfs(samples)
    now = rms_dbfs(samples) if active is None else active
    if now <= FLOOR_DBFS:
        return samples
    gain = 10.0 ** ((level_dbfs - now) / 20.0)
    levelled: NDArray[np.float32] = samples * np.float32(min(gain, 0.99 / float(np.max(np.abs(samples)))))
    return levelled


def _faded(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    width = min(samples_from_ms(_FADE_MS), len(samples) // 2)
    faded = samples.copy()
    if width:
        ramp = np.linspace(0.0, 1.0, width, dtype=np.float32)
        faded[:width] *= ramp
        faded[-width:] *= ramp[::-1]
    return faded


def _laid_under(
    noise: NDArray[np.float32], num_samples: int, level_dbfs: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    gain = np.float32(10.0 ** ((level_dbfs - rms_dbfs(noise)) / 20.0))
    laid: NDArray[np.float32] = gain * np.resize(np.roll(noise, -int(rng.integers(len(noise)))), num_samples)
    return laid


def main(argv: Sequence[str] | None = None) -> int:
    """Write the recording and its truth; 0 if they are there, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(prog="mix_stream", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commands", type=Path, help="data set of the commands")
    parser.add_argument("sentences", type=Path, help="folder of recordings without commands")
    parser.add_argument("out", type=Path, help="the recording to write, .flac")
    parser.add_argument("--count", type=int, default=30, help="how many commands to plant")
    parser.add_argument("--noise", type=Path, help="a recording to lay under it")
    parser.add_argument("--snr-db", type=float, default=25.0, help="level of the speech over the noise")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if options.count < 1:
        parser.error("--count: at least 1")
    try:
        truth, num_samples = _mix(options)
    except SpeechTuneError as error:
        print(f"mix_stream: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{options.out}: {len(truth)} commands in {seconds_from_samples(num_samples):.1f} s")
    return 0


def _mix(options: argparse.Namespace) -> tuple[tuple[Planted, ...], int]:
    spoken = [clip for clip in load_clips(options.commands).clips if clip.label not in RESERVED and not clip.synthetic]
    if not spoken:
        raise ManifestError(f"{options.commands}: holds no commands that somebody recorded")
    rng = np.random.default_rng(options.seed)
    chosen = [spoken[place] for place in rng.integers(len(spoken), size=options.count)]
    sentences = load_negatives(options.sentences).clips
    order = rng.permutation(len(sentences))[: options.count]
    samples, truth = plant_commands(
        [(clip.label, read_clip(clip)) for clip in chosen],
        [read_clip(sentences[place]) for place in order],
        options.seed,
        noise=None if options.noise is None else read_audio(options.noise),
        noise_snr_db=options.snr_db,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_flac(options.out, samples)
    write_truth(options.out.with_suffix(".jsonl"), truth)
    write_truth(options.out.with_suffix(".txt"), truth)
    return truth, len(samples)


if __name__ == "__main__":
    raise SystemExit(main())
