"""Sets of synthesised clips: each line in many voices, marked as synthetic in the manifest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import write_flac
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.data.sets.manifest import MANIFEST_NAME, write_manifest
from speechtune.data.synthesis.voices import Voice, synthesize, voices
from speechtune.errors import ConfigError
from speechtune.labels import UNKNOWN, check_label
from speechtune.whole_files import writing_whole_folder

_MARGIN_MS = 150
_LEVEL_DB = (-9.0, 3.0)
_BACKGROUND_DBFS = (-70.0, -50.0)
_TEST_SHARE = 3  # every third throat is kept for the test


class Line(NamedTuple):
    """Something to say: `text`, `takes` times, for clips of `label`."""

    label: str
    text: str
    takes: int


class _Take(NamedTuple):
    """A clip to make: `name` within the set's folder; the takes of a line draw from one `rng`, in their order."""

    name: Path
    line: Line
    voice: Voice
    rng: np.random.Generator


def split_voices() -> tuple[tuple[Voice, ...], tuple[Voice, ...]]:
    """Voices to train on and voices to test on; no throat is on both sides, men and women are on either."""
    variants = list(dict.fromkeys(voice.variant for voice in voices()))
    kept = set(variants[::_TEST_SHARE])
    train = tuple(voice for voice in voices() if voice.variant not in kept)
    return train, tuple(voice for voice in voices() if voice.variant in kept)


def plan_lines(commands: Sequence[str], others: Sequence[str], takes: int) -> tuple[Line, ...]:
    """`takes` of every command, and a quarter as many (at least 2) of every other word, as `_unknown_`."""
    return (
        *(Line(command, command, takes) for command in commands),
        *(Line(UNKNOWN, word, max(takes // 4, 2)) for word in others if word not in commands),
    )


def say_take(text: str, voice: Voice, rng: np.random.Generator) -> NDArray[np.float32]:
    """One take of `text`, paced and pitched at random, in a little noise, with margins: float32[N] at 16 kHz."""
    padded = np.pad(synthesize(text, voice.varied(rng)), samples_from_ms(_MARGIN_MS))
    gain = 10.0 ** (rng.uniform(*_LEVEL_DB) / 20.0)
    background = rng.standard_normal(len(padded)) * 10.0 ** (rng.uniform(*_BACKGROUND_DBFS) / 20.0)
    take: NDArray[np.float32] = np.clip(gain * padded + background, -1.0, 1.0).astype(np.float32)
    return take


def synthesize_set(folder: Path, lines: Sequence[Line], speakers: Sequence[Voice], seed: int) -> ClipSet:
    """Write the takes of every line, in voices by turns, as FLAC with a manifest.

    The folder appears whole or not at all.

    Args:
        folder: is made; where there is one it must be empty, for its clips would not be in the manifest.
        lines: what to say.
        speakers: voices are drawn from these, every throat before any comes twice.
        seed: decides voices, pace, pitch, level and noise; what other lines there are does not matter.

    Raises:
        ConfigError: a label cannot name a folder, two lines would have one file, the folder holds something or cannot
            be made, or the synthesiser is not there.
    """
    takes = _planned(lines, speakers, seed)
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(f"{folder}: holds something already; name a new folder")
        with writing_whole_folder(folder) as beside:
            clips = tuple(_said(take, beside) for take in takes)
            write_manifest(beside / MANIFEST_NAME, ClipSet(beside, clips))
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror}); make room or name another place") from error
    return ClipSet(
        folder, tuple(replace(clip, path=folder / take.name) for clip, take in zip(clips, takes, strict=True))
    )


def _planned(lines: Sequence[Line], speakers: Sequence[Voice], seed: int) -> tuple[_Take, ...]:
    takes: dict[Path, _Take] = {}
    for line in lines:
        check_label(line.label)
        rng = np.random.default_rng([seed, *line.text.encode()])
        stem = _stem(line.text)
        for number, voice in enumerate(_in_turns(speakers, line.takes, rng)):
            name = Path(line.label, f"{stem}_{voice.speaker}_{voice.accent}_{number}.flac")
            if name in takes:
                raise ConfigError(f"text {line.text!r}: label {line.label!r} has it twice; leave one out")
            takes[name] = _Take(name, line, voice, rng)
    return tuple(takes.values())


def _said(take: _Take, folder: Path) -> Clip:
    path = folder / take.name
    path.parent.mkdir(exist_ok=True)
    write_flac(path, say_take(take.line.text, take.voice, take.rng))
    return Clip(path=path, label=take.line.label, speaker=take.voice.speaker, synthetic=True, word=take.line.text)


def _stem(text: str) -> str:
    """A file's name for what is said in it. Phonemes that differ in capitals alone are one name to some systems."""
    if text.startswith("[["):
        return f"phonemes-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return re.sub(r"[^\w]+", "-", text)


def _in_turns(speakers: Sequence[Voice], num_takes: int, rng: np.random.Generator) -> list[Voice]:
    by_variant: dict[str, list[Voice]] = {}
    for voice in speakers:
        by_variant.setdefault(voice.variant, []).append(voice)
    order: list[str] = []
    while len(order) < num_takes:
        order += [str(variant) for variant in rng.permutation(list(by_variant))]
    return [by_variant[variant][rng.integers(len(by_variant[variant]))] for variant in order[:num_takes]]
