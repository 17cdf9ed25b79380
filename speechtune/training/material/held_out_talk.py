"""Talk that judges: negative clips that a head has not met, strung together.

Each head hears only words that were held out from it. Nothing but recorded clips is played: synthetic ones judge
nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms, seconds_from_samples
from speechtune.data.variation.running_speech import faded, spoken_part
from speechtune.labels import UNKNOWN
from speechtune.training.material.dealt_folds import DealtFolds
from speechtune.training.material.training_set import TrainingSet

_MOST_SECONDS = 60.0
"""Of talk for each fold: enough for a rate, and a few seconds of work."""
_WORDS_OF_SENTENCE = (3, 9)
_PAUSE_MS = (300, 700)
_GAP_MS = (0, 120)


@dataclass(frozen=True, eq=False)
class Talk:
    """Talk of one kind.

    Attributes:
        of_folds: for the head of each fold, float32[any] at 16 kHz; None: nothing was held out from it.
        num_words: different words that were strung together; None: it is recorded talk.
    """

    of_folds: tuple[NDArray[np.float32] | None, ...]
    num_words: int | None

    @property
    def minutes(self) -> float:
        """All of it."""
        return seconds_from_samples(sum(len(talk) for talk in self.of_folds if talk is not None)) / 60.0


def held_out_talk(read: TrainingSet, dealt: DealtFolds, seed: int) -> tuple[Talk, ...]:
    """Recorded running speech, which is what will be heard, and words strung together, the worst case; if there is any.

    Speech that names no word, but is so little that it was held out as one, counts as a word.
    """
    folds_of: dict[str, set[int]] = defaultdict(set)
    for index, fold in dealt.fold_of_negative.items():
        if dealt.judges[index]:
            folds_of[read.clips[index].label].add(fold)
    words = {label for label, folds in folds_of.items() if label != UNKNOWN or len(folds) == 1}
    kinds = []
    for labels, num_words in ((folds_of.keys() - words, None), (words, len(words))):
        clips: list[list[NDArray[np.float32]]] = [[] for _ in range(dealt.num_folds)]
        for index in sorted(dealt.fold_of_negative):
            is_fair = read.standing_for_all is None or index in read.standing_for_all
            if dealt.judges[index] and read.clips[index].label in labels and is_fair:
                clips[dealt.fold_of_negative[index]].append(read.samples[index])
        for number, (clip, samples) in enumerate(pair for pair in read.spare if pair[0].label in labels):
            clips[number % len(clips) if num_words is None else min(folds_of[clip.label])].append(samples)
        of_folds = tuple(_strung(some, seed + fold) if some else None for fold, some in enumerate(clips))
        if any(clips):
            kinds.append(Talk(of_folds, num_words))
    return tuple(kinds)


def _strung(clips: Sequence[NDArray[np.float32]], seed: int) -> NDArray[np.float32]:
    """Sentences of the clips' spoken parts, each once, float32[N] at 16 kHz."""
    rng = np.random.default_rng(seed)
    parts: list[NDArray[np.float32]] = []
    total = left = 0
    for index in rng.permutation(len(clips)).tolist():
        if total >= _MOST_SECONDS * SAMPLE_RATE_HZ:
            break
        pause = _PAUSE_MS if left == 0 else _GAP_MS
        left = int(rng.integers(*_WORDS_OF_SENTENCE)) if left == 0 else left - 1
        silence = np.zeros(samples_from_ms(int(rng.integers(*pause))), dtype=np.float32)
        parts += [silence, faded(spoken_part(clips[index]))]
        total += len(silence) + len(parts[-1])
    return np.concatenate(parts)
