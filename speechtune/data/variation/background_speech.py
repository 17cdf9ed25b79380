"""The background speech that ships with the package: synthesised talk, for whoever has recorded nothing but commands.

It trains, and never judges: no figure and no threshold that is called known rests on it. How it was made is told by
`data_scripts/render_background_speech.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import read_audio

_FOLDER = Path(__file__).parent / "background"
_LONGEST_SECONDS = 3_600.0


@dataclass(frozen=True)
class BackgroundStretch:
    """A word or a sentence of the background speech.

    Attributes:
        text: what is said.
        language: `en`, or eSpeak's name of another one.
        voice: who says it.
        is_word: a single word; else a sentence.
        start_sample, end_sample: where it lies in the file, at 16 kHz.
    """

    text: str
    language: str
    voice: str
    is_word: bool
    start_sample: int
    end_sample: int


@cache
def background_stretches() -> tuple[BackgroundStretch, ...]:
    """All of it, in the order of the file."""
    rows = json.loads((_FOLDER / "speech.json").read_text(encoding="utf-8"))
    return tuple(BackgroundStretch(**row) for row in rows)


def without_commands(stretches: Iterable[BackgroundStretch], commands: Iterable[str]) -> tuple[BackgroundStretch, ...]:
    """Those whose text holds no command, so that none of it teaches that a command is other speech.

    A command is known by its words in their order: `turn on` leaves out "please turn on the lamp", not "turn left, and
    on we go". What a label does not name (`cmd_1`) cannot be found so.

    >>> some = (BackgroundStretch("Turn on the lamp.", "en", "v", False, 0, 1),
    ...         BackgroundStretch("Turn left, go on.", "en", "v", False, 1, 2))
    >>> [stretch.text for stretch in without_commands(some, ["turn on", "lamps"])]
    ['Turn left, go on.']
    """
    spoken = [_spaced(command) for command in commands]
    return tuple(stretch for stretch in stretches if not any(words in _spaced(stretch.text) for words in spoken))


def samples_of(stretch: BackgroundStretch) -> NDArray[np.float32]:
    """float32[N] at 16 kHz, N ≥ 1."""
    return _whole_file()[stretch.start_sample : stretch.end_sample].astype(np.float32) / np.float32(32_768.0)


@cache
def _whole_file() -> NDArray[np.int16]:
    """int16[N] at 16 kHz: decoding takes longer than all else here, and half the bits keep it in 32 MB."""
    samples = read_audio(_FOLDER / "speech.ogg", _LONGEST_SECONDS)
    whole: NDArray[np.int16] = np.clip(np.round(samples * 32_768.0), -32_768, 32_767).astype(np.int16)
    return whole


def _spaced(text: str) -> str:
    """Its words in small letters, each between spaces."""
    words = re.findall(r"\w+", text.casefold().replace("_", " "))
    return f" {' '.join(words)} "
