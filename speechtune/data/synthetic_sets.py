"""Sets of synthesised clips: each line in many voices, marked as synthetic in the manifest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import write_flac
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.clips import Clip, ClipSet
from speechtune.data.manifest import MANIFEST_NAME, write_manifest
from speechtune.data.synthesis import Voice, synthesize
from speechtune.errors import ConfigError
from speechtune.labels import check_label

_MARGIN_MS = 150
_LEVEL_DB = (-9.0, 3.0)
_BACKGROUND_DBFS = (-70.0, -50.0)


class Line(NamedTuple):
    """Something to say: `text`, `takes` times, for clips of `label`."""

    label: str
    text: str
    takes: int


def say_take(text: str, voice: Voice, rng: np.random.Generator) -> NDArray[np.float32]:
    """One take of `text`, paced and pitched at random, in a little noise, with margins: float32[N] at 16 kHz."""
    padded = np.pad(synthesize(text, voice.varied(rng)), samples_from_ms(_MARGIN_MS))
    gain = 10.0 ** (rng.uniform(*_LEVEL_DB) / 20.0)
    background = rng.standard_normal(len(padded)) * 10.0 ** (rng.uniform(*_BACKGROUND_DBFS) / 20.0)
    take: NDArray[np.float32] = np.clip(gain * padded + background, -1.0, 1.0).astype(np.float32)
    return take


def synthesize_set(folder: Path, lines: Sequence[Line], speakers: Sequence[Voice], seed: int) -> ClipSet:
    """Write the takes of every line, in voices by turns, as FLAC with a manifest.

    Args:
        folder: is made; files of the same names are replaced.
        lines: what to say.
        speakers: voices are drawn from these, every throat before any comes twice.
        seed: decides voices, pace, pitch, level and noise; what other lines there are does not matter.

    Raises:
        ConfigError: a label cannot name a folder, two lines would have one file, the folder cannot be made, or the
            synthesiser is not there.
    """
    clips: dict[Path, Clip] = {}
    for line in lines:
        _make_folder(folder / check_label(line.label))
        rng = np.random.default_rng([seed, *line.text.encode()])
        stem = _stem(line.text)
        for take, voice in enumerate(_in_turns(speakers, line.takes, rng)):
            path = folder / line.label / f"{stem}_{voice.speaker}_{voice.accent}_{take}.flac"
            if path in clips:
                raise ConfigError(f"text {line.text!r}: label {line.label!r} has it twice; leave one out")
            write_flac(path, say_take(line.text, voice, rng))
            clips[path] = Clip(path=path, label=line.label, speaker=voice.speaker, synthetic=True, word=line.text)
    clip_set = ClipSet(folder, tuple(clips.values()))
    write_manifest(folder / MANIFEST_NAME, clip_set)
    return clip_set


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror}); name another place") from error


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
