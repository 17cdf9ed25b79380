"""Make a small command set in many synthetic voices, train and test voices apart.

    python -m data_scripts.synthesize_commands OUT --commands yes,no,"lights on" --takes 20

OUT/train and OUT/test each get one folder per command, `_unknown_` with other words, and a manifest that says who
speaks, what is said, and that it is synthetic. It shows that the whole chain works, never how well it hears people.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import write_flac
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.clips import Clip, ClipSet
from speechtune.data.manifest import MANIFEST_NAME, write_manifest
from speechtune.data.synthesis import Voice, synthesize, voices
from speechtune.errors import ConfigError, SpeechTuneError
from speechtune.labels import UNKNOWN, check_label

COMMANDS = ("start", "stop", "louder", "softer", "lights on", "lights off")
OTHER_WORDS = (
    *(
        "table",
        "window",
        "monday",
        "river",
        "orange",
        "seven",
        "garden",
        "question",
        "paper",
        "morning",
        "doctor",
        "music",
    ),
    *("bottle", "yellow", "sister", "market", "winter", "coffee", "letter", "mountain", "people", "story", "picture"),
    *("water", "kitchen", "teacher", "right", "bird", "house", "lighter", "storm", "later", "softly", "light", "often"),
)
"""Words for `_unknown_`; the last ones sound somewhat like `COMMANDS`."""

_TEST_SHARE = 3  # every third throat is kept for the test
_MARGIN_MS = 150
_LEVEL_DB = (-9.0, 3.0)
_BACKGROUND_DBFS = (-70.0, -50.0)


class Line(NamedTuple):
    """Something to say: `text`, `takes` times, for clips of `label`."""

    label: str
    text: str
    takes: int


def split_voices() -> tuple[tuple[Voice, ...], tuple[Voice, ...]]:
    """Voices to train on and voices to test on; no throat is on both sides, men and women are on either."""
    variants = list(dict.fromkeys(voice.variant for voice in voices()))
    kept = set(variants[::_TEST_SHARE])
    train = tuple(voice for voice in voices() if voice.variant not in kept)
    return train, tuple(voice for voice in voices() if voice.variant in kept)


def say_take(text: str, voice: Voice, rng: np.random.Generator) -> NDArray[np.float32]:
    """One take of `text`, paced and pitched at random, in a little noise, with margins: float32[N] at 16 kHz."""
    padded = np.pad(synthesize(text, voice.varied(rng)), samples_from_ms(_MARGIN_MS))
    gain = 10.0 ** (rng.uniform(*_LEVEL_DB) / 20.0)
    background = rng.standard_normal(len(padded)) * 10.0 ** (rng.uniform(*_BACKGROUND_DBFS) / 20.0)
    take: NDArray[np.float32] = np.clip(gain * padded + background, -1.0, 1.0).astype(np.float32)
    return take


def plan_lines(commands: Sequence[str], takes: int) -> tuple[Line, ...]:
    """`takes` of every command, and a quarter as many (at least 2) of every other word, as `_unknown_`."""
    others = [word for word in OTHER_WORDS if word not in commands]
    return (
        *(Line(command, command, takes) for command in commands),
        *(Line(UNKNOWN, word, max(takes // 4, 2)) for word in others),
    )


def synthesize_set(folder: Path, lines: Sequence[Line], speakers: Sequence[Voice], seed: int) -> ClipSet:
    """Write the takes of every line, in voices by turns, as FLAC with a manifest.

    Args:
        folder: is made; files of the same names are replaced.
        lines: what to say.
        speakers: voices are drawn from these, every throat before any comes twice.
        seed: decides voices, pace, pitch, level and noise; what other lines there are does not matter.

    Raises:
        ConfigError: a label cannot name a folder, two lines would have one file, or the synthesiser is not there.
    """
    clips: dict[Path, Clip] = {}
    for line in lines:
        (folder / check_label(line.label)).mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, *line.text.encode()])
        stem = re.sub(r"[^\w]+", "-", line.text)
        for take, voice in enumerate(_in_turns(speakers, line.takes, rng)):
            path = folder / line.label / f"{stem}_{voice.speaker}_{voice.accent}_{take}.flac"
            if path in clips:
                raise ConfigError(f"text {line.text!r}: label {line.label!r} has it twice; leave one out")
            write_flac(path, say_take(line.text, voice, rng))
            clips[path] = Clip(path=path, label=line.label, speaker=voice.speaker, synthetic=True, word=line.text)
    clip_set = ClipSet(folder, tuple(clips.values()))
    write_manifest(folder / MANIFEST_NAME, clip_set)
    return clip_set


def _in_turns(speakers: Sequence[Voice], num_takes: int, rng: np.random.Generator) -> list[Voice]:
    by_variant: dict[str, list[Voice]] = {}
    for voice in speakers:
        by_variant.setdefault(voice.variant, []).append(voice)
    order: list[str] = []
    while len(order) < num_takes:
        order += [str(variant) for variant in rng.permutation(list(by_variant))]
    return [by_variant[variant][rng.integers(len(by_variant[variant]))] for variant in order[:num_takes]]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the set; 0 if it is there, 2 if something asked for cannot be done."""
    parser = argparse.ArgumentParser(prog="synthesize_commands", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--commands", default=",".join(COMMANDS), help="the commands, with commas between")
    parser.add_argument("--takes", type=int, default=20, help="training clips per command; half as many for the test")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    commands = [command.strip() for command in options.commands.split(",")]
    if options.takes < 2:
        parser.error("--takes: at least 2")
    sides = zip(("train", "test"), split_voices(), (options.takes, options.takes // 2), strict=True)
    try:
        for name, speakers, takes in sides:
            clip_set = synthesize_set(options.out / name, plan_lines(commands, takes), speakers, options.seed)
            print(f"{clip_set.root}: {len(clip_set.clips)} clips, {len(clip_set.speakers)} voices")
    except SpeechTuneError as error:
        print(f"synthesize_commands: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
