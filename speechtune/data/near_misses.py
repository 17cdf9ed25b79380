"""What is almost a command: a sound or two changed, or one word of several. Negatives that teach where a word ends.

Sounds are exchanged within their class, as mishearing does: a stop for a stop, a short vowel for a short vowel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from speechtune.data.synthesis import phonemes_of

_CLASSES = (
    ("p", "t", "k"),
    ("b", "d", "g"),
    ("f", "T", "s", "S", "h"),
    ("v", "D", "z", "Z"),
    ("tS", "dZ"),
    ("m", "n", "N"),
    ("l", "r", "w", "j"),
    ("I", "E", "a", "V", "0", "O2", "U"),
    ("i:", "u:", "A:", "O:", "3:"),
    ("aI", "eI", "OI", "aU", "oU"),
)
_CLASS_OF = {sound: sounds for sounds in _CLASSES for sound in sounds}
_SOUND = re.compile("|".join(sorted(map(re.escape, _CLASS_OF), key=len, reverse=True)) + "|.")
_MOST_CHANGES = 2
_TRIES_PER_MISS = 30


def near_misses(commands: Sequence[str], num_per_command: int, seed: int) -> dict[str, tuple[str, ...]]:
    """Texts to synthesise that are almost each command: the words of those with several, then changed sounds.

    A changed sound is in eSpeak's letters and double brackets. None of them sounds like any command; a short command
    may have fewer than asked for.

    Args:
        commands: the commands.
        num_per_command: how many for each.
        seed: decides which sounds change.

    Raises:
        ConfigError: the synthesiser is not there, or has nothing to say for a command.
    """
    said = {command: phonemes_of(command) for command in commands}
    taken = {_bare(phonemes) for phonemes in said.values()}
    missed: dict[str, tuple[str, ...]] = {}
    for command, phonemes in said.items():
        rng = np.random.default_rng([seed, *command.encode()])
        texts: list[str] = []
        candidates = [*_halves(command), *(_changed(phonemes, rng) for _ in range(_TRIES_PER_MISS * num_per_command))]
        for text in candidates:
            bare = _bare(text.strip("[]") if text.startswith("[[") else phonemes_of(text))
            if bare not in taken and len(texts) < num_per_command:
                taken.add(bare)
                texts.append(text)
        missed[command] = tuple(texts)
    return missed


def _halves(command: str) -> list[str]:
    words = command.split()
    return list(dict.fromkeys(words)) if len(words) > 1 else []


def _changed(phonemes: str, rng: np.random.Generator) -> str:
    sounds = _SOUND.findall(phonemes)
    places = [place for place, sound in enumerate(sounds) if sound in _CLASS_OF]
    num_changes = min(int(rng.integers(1, _MOST_CHANGES + 1)), len(places))
    for place in rng.permutation(places)[:num_changes]:
        others = [sound for sound in _CLASS_OF[sounds[place]] if sound != sounds[place]]
        sounds[place] = others[int(rng.integers(len(others)))]
    return f"[[{''.join(sounds)}]]"


def _bare(phonemes: str) -> str:
    """Without stress and pauses, which nobody tells a command by."""
    return re.sub(r"[',%=_|\s]", "", phonemes)
