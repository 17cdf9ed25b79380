"""Training windows that nobody recorded as a clip: running speech, background speech, and parts of the commands.

They teach `_unknown_`, and judge nothing. The words or voices that one of them is made of lie in one fold of
cross-fitting, so that one that is held out lies in none that is learnt. Only a part that is joined to another command's
part may hold something of a clip that is held out: as other speech, which makes the held-out answers worse, not better.

A recogniser that has met nothing but whole commands takes whatever lies between them for one: with six phrases of ten
clips it fired 124 to 373 times an hour on ordinary sentences. Tried on three phrases over 1.7 hours of talk: background
speech alone, and running speech out of 27 negative words alone, each bring 1,200 false accepts at a threshold of 0.05
down to none. Half of a two-part command alone goes on firing then, which only parts of the commands themselves mend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.placement import cut_window, place_by_energy
from speechtune.data.variation.background_speech import background_stretches, samples_of, without_commands
from speechtune.data.variation.running_speech import faded, running_speech, spoken_part
from speechtune.labels import PARTS, UNKNOWN, LabelSet
from speechtune.recipe import Recipe
from speechtune.training.material.command_parts import CommandParts
from speechtune.training.material.dealt_folds import folds_of_negatives
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.material.windows import TrainingWindow, Variation

_UNVARIED = 3
"""One window of running speech in so many is heard as it is."""
_MAX_WORDS = 200
"""Of a fold: enough to differ, and they are held in memory."""
_WORD_SHARE = 0.35
"""Of the windows of background speech: single words; the others are pieces of sentences."""

_Maker = Callable[[], TrainingWindow]


@dataclass(frozen=True)
class AddedWindows:
    """Windows to learn from beside the clips.

    Attributes:
        targets: int64[A], the class of each.
        clips: int64[A], the clip each counts as: of a part the one it was cut out of, else a number after all clips.
        makers: of the windows, in this order.
    """

    targets: NDArray[np.int64]
    clips: NDArray[np.int64]
    makers: tuple[_Maker, ...]

    def __iter__(self) -> Iterator[TrainingWindow]:
        return (make() for make in self.makers)


def added_windows(read: TrainingSet, recipe: Recipe, vary: Variation, first: int) -> AddedWindows:
    """Plan all windows that the recipe adds; each is made when it is iterated over.

    There are none where the labels lack the class for them, see `with_added_classes`. Running speech needs negative
    clips in each of `calibration.folds` folds (`folds_of_negatives`); else there is none. The window that counts as
    clip n is made of words, or of background speech, of fold n modulo `calibration.folds`.

    Args:
        read: the labels, the clips and their samples.
        recipe: seed and how many.
        vary: how they are varied, and their length.
        first: number of the first one, counted on from clips and silence.
    """
    labels = read.labels
    running = _running(read, recipe, vary, first)
    background = _background(labels, recipe, vary, first + len(running))
    parts = CommandParts(read, recipe) if PARTS in labels.negatives else None
    unknown = labels.classes.index(UNKNOWN) if running or background else 0
    num_unknown = len(running) + len(background)
    sources = [] if parts is None else parts.sources
    part = labels.classes.index(PARTS) if sources else 0
    return AddedWindows(
        np.array([unknown] * num_unknown + [part] * len(sources), dtype=np.int64),
        np.append(first + np.arange(num_unknown), np.array(sources, dtype=np.int64)),
        (*running, *background, *(() if parts is None else parts.makers(vary))),
    )


def _running(read: TrainingSet, recipe: Recipe, vary: Variation, first: int) -> list[_Maker]:
    num_folds = recipe.calibration.folds
    folds = folds_of_negatives(read.clips, read.labels.negatives, num_folds)
    if UNKNOWN not in read.labels.negatives or not recipe.head.running_speech or len(set(folds.values())) < num_folds:
        return []
    words: list[list[NDArray[np.float32]]] = [[] for _ in range(num_folds)]
    for position, fold in folds.items():
        if len(words[fold]) < _MAX_WORDS:
            words[fold].append(spoken_part(read.samples[position]))

    def make(number: int) -> TrainingWindow:
        rng = np.random.default_rng((recipe.seed, number, 0))
        stretch = running_speech(words[number % num_folds], vary.window_samples, rng)
        if number % _UNVARIED:
            return vary(stretch, rng)
        return TrainingWindow(place_by_energy(stretch, vary.window_samples))

    return [partial(make, number) for number in range(first, first + recipe.head.running_speech)]


def _background(labels: LabelSet, recipe: Recipe, vary: Variation, first: int) -> list[_Maker]:
    if UNKNOWN not in labels.negatives or not recipe.head.background_speech:
        return []
    stretches = without_commands(background_stretches(), labels.keywords)
    num_folds, window_samples = recipe.calibration.folds, vary.window_samples

    def make(number: int) -> TrainingWindow:
        rng = np.random.default_rng((recipe.seed, number, 1))
        is_word = rng.random() < _WORD_SHARE
        some = [stretch for stretch in stretches[number % num_folds :: num_folds] if stretch.is_word == is_word]
        lengths = np.array([stretch.end_sample - stretch.start_sample for stretch in some], dtype=np.float64)
        chosen = some[int(rng.choice(len(some), p=None if is_word else lengths / lengths.sum()))]
        samples = samples_of(chosen)
        if is_word:
            return vary(samples, rng)
        # Windows that pass over long speech are full of it; the others hold a short utterance.
        length = window_samples if rng.random() < 0.5 else int(rng.uniform(0.45, 1.0) * window_samples)
        begin = int(rng.uniform(-0.3 * length, max(len(samples) - 0.7 * length, 1.0)))
        return vary(faded(cut_window(samples, begin, length)), rng)

    return [partial(make, number) for number in range(first, first + recipe.head.background_speech)]
