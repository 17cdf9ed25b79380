"""What is almost a command: a sound or two changed, or one word of several. Negatives that teach where a word ends.

Sounds are mostly exchanged within their class, as mishearing does: a stop for a stop, a short vowel for a short vowel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from speechtune.data.synthesis.voices import phonemes_of

_CONSONANT_CLASSES = (
    ("p", "t", "k"),
    ("b", "d", "g"),
    ("f", "T", "s", "S", "h"),
    ("v", "D", "z", "Z"),
    ("tS", "dZ"),
    ("m", "n", "N"),
    ("l", "r", "w", "j"),
)
_VOWEL_CLASSES = (
    ("I", "E", "a", "V", "0", "O2", "U"),
    ("i:", "u:", "A:", "O:", "3:"),
    ("aI", "eI", "OI", "aU", "oU"),
)
_CLASS_OF = {sound: sounds for sounds in (*_CONSONANT_CLASSES, *_VOWEL_CLASSES) for sound in sounds}
_KIND_OF = {
    sound: tuple(sound for sounds in classes for sound in sounds)
    for classes in (_CONSONANT_CLASSES, _VOWEL_CLASSES)
    for sounds in classes
    for sound in sounds
}
_CONSONANTS = frozenset(_KIND_OF["p"])
_ONE_VOWEL = ("0", "O2", "A:", "O:")
"""One accent's vowel in `on` is another's in `father` or `all`: exchanged, the command would still be heard."""

_NEVER_FIRST, _ENDINGS, _ENDINGS_OF_CLUSTERS = ("N", "Z"), ("t", "d", "s", "z", "n", "l", "k"), ("t", "s", "z")
_CANNOT_BE_SAID = re.compile(r"([bdfghjklmnprstvwzDNSTZ])\1|h(?![IEaV0OUiu3Aeoy'@])")
_SOUND = re.compile("|".join(sorted(map(re.escape, _CLASS_OF), key=len, reverse=True)) + "|.")
_MOST_CHANGES = 2
_TRIES_PER_MISS = 30
_SHARES = {"near": 0.5, "far": 0.25, "longer": 0.15, "shorter": 0.1}


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
            if bare not in taken and len(texts) < num_per_command and not _CANNOT_BE_SAID.search(bare):
                taken.add(bare)
                texts.append(text)
        missed[command] = tuple(texts)
    return missed


def _halves(command: str) -> list[str]:
    words = command.split()
    return list(dict.fromkeys(words)) if len(words) > 1 else []


def _changed(phonemes: str, rng: np.random.Generator) -> str:
    sounds = _SOUND.findall(phonemes)
    for _ in range(int(rng.integers(1, _MOST_CHANGES + 1))):
        how = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
        if how == "longer":
            endings = _ENDINGS_OF_CLUSTERS if sounds[-1] in _CONSONANTS else _ENDINGS
            sounds.append(endings[int(rng.integers(len(endings)))])
        elif how == "shorter":
            _drop_an_end(sounds, rng)
        else:
            _exchange(sounds, _CLASS_OF if how == "near" else _KIND_OF, rng)
    return f"[[{''.join(sounds)}]]"


def _exchange(sounds: list[str], others_of: Mapping[str, Sequence[str]], rng: np.random.Generator) -> None:
    places = [place for place, sound in enumerate(sounds) if sound in _CLASS_OF]
    if not places:
        return
    place = places[int(rng.integers(len(places)))]
    alike = _ONE_VOWEL if sounds[place] in _ONE_VOWEL else (sounds[place],)
    forbidden = (*alike, *_NEVER_FIRST) if place == 0 else alike
    others = [sound for sound in others_of[sounds[place]] if sound not in forbidden]
    if others:
        sounds[place] = others[int(rng.integers(len(others)))]


def _drop_an_end(sounds: list[str], rng: np.random.Generator) -> None:
    """Leave out a first or last consonant, as long as more than a syllable's vowel and one consonant are left."""
    ends = [place for place in (0, len(sounds) - 1) if sounds[place] in _CONSONANTS]
    if ends and sum(sound in _CLASS_OF for sound in sounds) > 2:
        del sounds[ends[int(rng.integers(len(ends)))]]


def _bare(phonemes: str) -> str:
    """Without stress, pauses and accent, which nobody tells a command by."""
    sounds = _SOUND.findall(re.sub(r"[',%=_|\s]", "", phonemes))
    return "".join(_ONE_VOWEL[0] if sound in _ONE_VOWEL else sound for sound in sounds)
