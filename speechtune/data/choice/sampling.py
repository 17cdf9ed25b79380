"""k-shot draws: a few clips of each keyword, by a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import astuple

from speechtune.data.sets.clips import Clip, count_labels
from speechtune.errors import ConfigError, UnsplittableError


def draw_shots(clips: Sequence[Clip], shots: int, seed: int, keywords: Collection[str]) -> tuple[Clip, ...]:
    """Keep `shots` clips of each keyword and every clip of other labels, in their order.

    A clip's place in the draw is a hash of the seed, its label and its file's name: the order of the clips and the
    place of the folder do not matter, and a draw of 5 is part of the draw of 10 with the same seed.

    Raises:
        ConfigError: `shots` is not positive.
        UnsplittableError: a keyword has fewer clips; the message names it and how many there are.
    """
    if shots < 1:
        raise ConfigError(f"shots {shots}: draw at least 1 clip of each keyword")
    counts = count_labels(clips)
    if short := [f"{keyword} has {counts.get(keyword, 0)}" for keyword in keywords if counts.get(keyword, 0) < shots]:
        raise UnsplittableError(
            f"{shots} clips of each keyword were asked for, {', '.join(short)}; record more or ask fewer"
        )
    drawn: set[int] = set()
    for keyword in keywords:
        places = [place for place, clip in enumerate(clips) if clip.label == keyword]
        drawn.update(sorted(places, key=lambda place: _draw_key(clips[place], seed))[:shots])
    return tuple(clip for place, clip in enumerate(clips) if clip.label not in keywords or place in drawn)


def _draw_key(clip: Clip, seed: int) -> tuple[str, str, str]:
    name = f"{seed}/{clip.label}/{clip.path.name}/{clip.stretch}"
    # Files of one name in several folders hash alike; their paths then decide, and the rest only for equal paths.
    return hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest(), clip.path.as_posix(), repr(astuple(clip))
