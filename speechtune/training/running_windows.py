"""Stretches of running speech as training windows: they teach `_unknown_`, and judge nothing.

Each is made of the words of one fold of cross-fitting, so that a word that is held out lies in none that is learnt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.placement import place_by_energy
from speechtune.data.running_speech import running_speech, spoken_part
from speechtune.errors import ConfigError
from speechtune.labels import UNKNOWN, LabelSet
from speechtune.recipe import Recipe
from speechtune.training.windows import TrainingWindow, varied_window

_UNVARIED = 3
"""One window in so many is heard as it is."""
_MAX_WORDS = 200
"""Of a fold: enough to differ, and they are held in memory."""


def with_running_speech(labels: LabelSet, recipe: Recipe) -> LabelSet:
    """The labels with a class for running speech, where the recipe wants some.

    Raises:
        ConfigError: there are too few negative words to make it of.
    """
    if not recipe.head.running_speech:
        return labels
    if len(labels.negatives) < recipe.calibration.folds:
        raise ConfigError(
            f"head.running_speech: {len(labels.negatives)} negative words, and it needs {recipe.calibration.folds} "
            "(calibration.folds); give more folders of other words, or set it to 0"
        )
    return labels if UNKNOWN in labels.negatives else LabelSet(labels.keywords, (UNKNOWN, *labels.negatives))


def fold_of_words(words: Sequence[str], num_folds: int) -> dict[str, int]:
    """Which fold each negative word is held out in; `words` are those that have clips, in the labels' order."""
    return {word: index % num_folds for index, word in enumerate(words)}


def running_windows(
    labels: LabelSet,
    samples: Sequence[NDArray[np.float32]],
    targets: Sequence[int],
    recordings: Sequence[NDArray[np.float32]],
    recipe: Recipe,
    window_samples: int,
    first: int,
    *,
    hears_log_mel: bool,
) -> Iterator[TrainingWindow]:
    """`head.running_speech` windows; the one numbered n is made of words of fold n modulo `calibration.folds`.

    Args:
        labels: what the classes mean.
        samples, targets: the clips and their classes.
        recordings: background noises.
        recipe: seed, augmentation, how many.
        window_samples: length of each.
        first: number of the first one, counted on from clips and silence.
        hears_log_mel: as for `varied_window`.
    """
    if not recipe.head.running_speech:
        return
    num_folds = recipe.calibration.folds
    heard = [labels.classes[target] for target in targets]
    folds = fold_of_words([word for word in labels.negatives if word in heard], num_folds)
    parts: list[list[NDArray[np.float32]]] = [[] for _ in range(num_folds)]
    for position, word in enumerate(heard):
        if word in folds and len(parts[folds[word]]) < _MAX_WORDS:
            parts[folds[word]].append(spoken_part(samples[position]))
    for number in range(first, first + recipe.head.running_speech):
        rng = np.random.default_rng((recipe.seed, number, 0))
        stretch = running_speech(parts[number % num_folds], window_samples, rng)
        if number % _UNVARIED:
            yield varied_window(stretch, window_samples, recipe.augment, recordings, rng, hears_log_mel=hears_log_mel)
        else:
            yield TrainingWindow(place_by_energy(stretch, window_samples))
