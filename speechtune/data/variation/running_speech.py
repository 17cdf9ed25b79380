"""Running speech out of single words: what lies between the commands of a long stream, where nobody recorded any.

Other people's words follow each other with little quiet between them or none, and half of them lack their beginning or
their end. A recogniser that has learnt only whole words takes such pieces for commands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.levels import active_range
from speechtune.audio.timebase import samples_from_ms

_MARGIN = samples_from_ms(10)
_FADE = samples_from_ms(5)
_SHORTEST = samples_from_ms(50)
_LEVEL = 10.0 ** (-23.0 / 20.0)
_LOST_SHARE = 0.35
"""Of a word, at most, at one end."""
_CUT_PROBABILITY = 0.5
_GAP_PROBABILITY = 0.3
_GAP = samples_from_ms(120)
_LENGTHS = (0.45, 1.0)
"""Of the stretch, as shares of the window."""


def spoken_part(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A word without the quiet round it, float32[N] to float32[at most N], at a level that all share."""
    first, last = active_range(samples) or (0, len(samples))
    word = samples[max(first - _MARGIN, 0) : last + _MARGIN]
    level = float(np.sqrt(np.square(word, dtype=np.float64).mean())) if len(word) else 0.0
    return (word * (_LEVEL / max(level, 1e-6))).astype(np.float32)


def running_speech(
    words: Sequence[NDArray[np.float32]], window_samples: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A stretch of running speech, float32[half a window to a window].

    Args:
        words: spoken parts, one at least.
        window_samples: its longest length.
        rng: decides which words, and where they are cut.
    """
    length = int(rng.uniform(*_LENGTHS) * window_samples)
    # The stretch begins somewhere in its first word.
    before = int(rng.uniform(0.0, 0.3) * window_samples)
    parts: list[NDArray[np.float32]] = []
    while sum(map(len, parts)) < before + length:
        word = words[int(rng.integers(len(words)))]
        first = _lost(word, rng)
        part = word[first : len(word) - _lost(word, rng)]
        parts.append(faded(part if len(part) >= _SHORTEST else word))
        if rng.random() < _GAP_PROBABILITY:
            parts.append(np.zeros(int(rng.uniform(0.0, _GAP)), dtype=np.float32))
    return faded(np.concatenate(parts)[before : before + length])


def _lost(word: NDArray[np.float32], rng: np.random.Generator) -> int:
    return int(rng.uniform(0.0, _LOST_SHARE) * len(word)) if rng.random() < _CUT_PROBABILITY else 0


def faded(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same part with soft ends: a cut is no click."""
    faded = part.copy()
    num = min(_FADE, len(part) // 2)
    faded[:num] *= np.linspace(0.0, 1.0, num, dtype=np.float32)
    faded[len(part) - num :] *= np.linspace(1.0, 0.0, num, dtype=np.float32)
    return faded
