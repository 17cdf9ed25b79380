"""Which words that are not keywords are taken for which keyword."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from speechtune.evaluation.answers.predictions import Predictions


@dataclass(frozen=True)
class TakenWord:
    """One word that is not a keyword, and what became of its clips.

    Attributes:
        word: as the data names it; `_unknown_` where the data does not tell the word.
        num_clips: clips of it.
        num_taken: those whose best keyword reached the threshold.
        taken_for: keyword -> how many were taken for it, most frequent first.
        was_shown: the model was trained on this word as a negative; None where that is not known.
    """

    word: str
    num_clips: int
    num_taken: int
    taken_for: dict[str, int]
    was_shown: bool | None


def taken_words(predictions: Predictions, threshold: float) -> tuple[TakenWord, ...]:
    """Every word among the `_unknown_` clips, the most often taken first, then by name.

    Args:
        predictions: the clips.
        threshold: the least posterior of the best keyword that is let through; `detection_at_far` gives one.
    """
    keywords = predictions.labels.keywords
    num_clips: Counter[str] = Counter()
    taken: dict[str, Counter[str]] = {}
    for row in np.flatnonzero(predictions.is_unknown):
        word = predictions.words[row]
        num_clips[word] += 1
        counted = taken.setdefault(word, Counter())
        if predictions.keyword_score[row] >= threshold:
            counted[keywords[predictions.best_keyword[row]]] += 1
    words = (
        TakenWord(
            word=word,
            num_clips=num_clips[word],
            num_taken=sum(counted.values()),
            taken_for=dict(sorted(counted.items(), key=lambda item: (-item[1], keywords.index(item[0])))),
            was_shown=word in predictions.labels.negatives if predictions.negatives_known else None,
        )
        for word, counted in taken.items()
    )
    return tuple(sorted(words, key=lambda taken_word: (-taken_word.num_taken, taken_word.word)))
