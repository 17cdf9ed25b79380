"""Parts of long commands, which are none: a beginning or an end, alone or joined to something else.

Half of a two-part command fires as the whole does unless a head is taught otherwise, and so does the half with another
word behind it: "go stop" was taken for "go left" in 8 of 20.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.levels import main_stretch
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.variation.background_speech import background_stretches, samples_of, without_commands
from speechtune.data.variation.running_speech import faded, spoken_part
from speechtune.recipe import Recipe
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.material.windows import TrainingWindow

_LONG_COMMAND = samples_from_ms(600)
"""A command that takes this long, in the median, has parts that a listener could tell from it."""
_PART_SHARES = (0.3, 0.55)
_SHORTEST_PART = samples_from_ms(60)
_MOST_PARTS = 400
_SWAPPED = 0.75
"""Share of joined parts whose other half is of another command, where no command comes of it; else it is any word."""

_Samples = NDArray[np.float32]


class CommandParts:
    """Parts of the clips of long commands.

    Attributes:
        sources: of every part, the number of the clip that it counts as.
    """

    def __init__(self, read: TrainingSet, recipe: Recipe) -> None:
        """Plan as many as the recipe says of each clip of a long command; nothing is made yet."""
        labels, samples, names = read.labels, read.samples, [clip.label for clip in read.clips]
        self._labels, self._samples, self._names, self._seed = labels, samples, names, recipe.seed
        stretches = {
            position: main_stretch(samples[position]) for position, name in enumerate(names) if name in labels.keywords
        }
        lengths = {
            keyword: [end - start for at, (start, end) in stretches.items() if names[at] == keyword]
            for keyword in labels.keywords
        }
        long_ones = {keyword for keyword, some in lengths.items() if some and np.median(some) >= _LONG_COMMAND}
        self._stretches = {at: stretch for at, stretch in stretches.items() if names[at] in long_ones}
        num_each = min(recipe.head.command_parts, max(1, _MOST_PARTS // max(len(self._stretches), 1)))
        self._chosen = [(at, number) for at in self._stretches for number in range(num_each)][:_MOST_PARTS]
        self.sources = [position for position, _ in self._chosen]

    def makers(
        self, vary: Callable[[_Samples, np.random.Generator], TrainingWindow]
    ) -> list[Callable[[], TrainingWindow]]:
        """One for each of `sources`; `vary` is a `Variation`."""
        words = [one for one in without_commands(background_stretches(), self._labels.keywords) if one.is_word]

        def make(position: int, number: int) -> TrainingWindow:
            rng = np.random.default_rng((self._seed, position, 2, number))
            is_beginning = number % 2 == 0
            own = self._part(position, rng, is_beginning=is_beginning)
            if number % 4 < 2:
                return vary(own, rng)
            rest = self._what_may_join(position, is_beginning=is_beginning)
            if rest and rng.random() < _SWAPPED:
                other = self._part(rest[int(rng.integers(len(rest)))], rng, is_beginning=not is_beginning)
            else:
                other = faded(spoken_part(samples_of(words[int(rng.integers(len(words)))])))
            as_loud = float(np.sqrt(np.square(own).mean() / max(float(np.square(other).mean()), 1e-12)))
            pair = [own, as_loud * other] if is_beginning else [as_loud * other, own]
            return vary(np.concatenate(pair).astype(np.float32), rng)

        return [partial(make, *chosen) for chosen in self._chosen]

    def _part(self, position: int, rng: np.random.Generator, *, is_beginning: bool) -> _Samples:
        start, end = self._stretches[position]
        length = max(int(rng.uniform(*_PART_SHARES) * (end - start)), _SHORTEST_PART)
        begin = start if is_beginning else max(end - length, start)
        return faded(self._samples[position][begin : begin + length])

    def _what_may_join(self, position: int, *, is_beginning: bool) -> list[int]:
        """The clips whose end may follow this clip's beginning, or whose beginning may precede its end."""
        name = self._names[position]
        pairs = ((other, (name, self._names[other])) for other in self._stretches)
        return [
            other
            for other, (own, its) in pairs
            if _may_end(*((own, its) if is_beginning else (its, own)), self._labels.keywords)
        ]


def _may_end(first: str, last: str, commands: Sequence[str]) -> bool:
    """Whether the beginning of one label and the end of another are together no command, as far as their names tell.

    >>> _may_end("stop right", "go left", ["go left", "stop right"])
    True
    >>> _may_end("go left", "stop right", ["go left", "go right", "stop right"])
    False
    >>> _may_end("go left", "snowboy", ["go left", "snowboy"])
    False
    """
    begin, end = (label.casefold().replace("_", " ").split() for label in (first, last))
    if len(begin) != 2 or len(end) != 2:
        return False
    return [begin[0], end[1]] not in [command.casefold().replace("_", " ").split() for command in commands]
