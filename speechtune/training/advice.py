"""Which further recordings would help a new model most, by what is known of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from speechtune.data.sets.clips import count_labels
from speechtune.evaluation.figures.operating_point import accepted
from speechtune.labels import RESERVED
from speechtune.training.head.cross_fitting import OutOfFold
from speechtune.training.head.thresholds import RECORDED, ChosenThresholds
from speechtune.training.material.training_set import TrainingSet

_ENOUGH_CLIPS = 5
_ENOUGH_WORDS = 10
_MANY_MISSED = 0.2
_MOST_NAMED = 3


def advice(read: TrainingSet, held_out: OutOfFold, chosen: ChosenThresholds) -> str:
    """One sentence with the two kinds of recordings that would help most, or one; empty where none stands out."""
    wishes = [*_for_the_commands(read, held_out, chosen), *_for_other_speech(read, chosen)]
    ordered = [wish for _, wish in sorted(wishes, key=lambda wish: -wish[0])][:2]
    return f"what would help most: {', then '.join(ordered)}" if ordered else ""


def _for_the_commands(read: TrainingSet, held_out: OutOfFold, chosen: ChosenThresholds) -> list[tuple[float, str]]:
    """What to record of the commands, with how much it matters, 0 to 1."""
    counts, keywords = count_labels(read.clips), read.labels.keywords
    wishes: list[tuple[float, str]] = []
    few = {keyword: f"{counts[keyword]} so far" for keyword in keywords if counts[keyword] < _ENOUGH_CLIPS}
    if few:
        wishes.append((0.8, f"{_ENOUGH_CLIPS} to 10 clips of each command ({_named(few)})"))
    missed = sorted(_missed(held_out, chosen).items(), key=lambda pair: -pair[1])
    weak = {word: f"{share:.0%} missed" for word, share in missed if share >= _MANY_MISSED and word not in few}
    if weak:
        wishes.append((0.7, f"more clips of the commands that are missed ({_named(weak)})"))
    speakers = {clip.speaker for clip in read.clips if clip.label in keywords}
    if speakers and None not in speakers and len(speakers) == 1:
        wishes.append((0.4, "clips by other people, if others are to be understood"))
    return wishes


def _for_other_speech(read: TrainingSet, chosen: ChosenThresholds) -> list[tuple[float, str]]:
    """What to record of other speech, with how much it matters, 0 to 1."""
    room = "some minutes of the place where it will listen, without any command (--room)"
    if chosen.talk is not None and chosen.talk.talk == RECORDED:
        return []
    words = {clip.label for clip in read.clips} & set(read.labels.negatives) - RESERVED
    if len(words) >= _ENOUGH_WORDS:
        return [(0.5, room)]
    there = "none so far" if not words else f"{len(words)} so far"
    return [(0.9, room), (0.6, f"clips of {_ENOUGH_WORDS} to 20 other words ({there}; --negatives)")]


def _missed(held_out: OutOfFold, chosen: ChosenThresholds) -> dict[str, float]:
    """The share of every keyword's held-out clips that its threshold misses."""
    predictions = held_out.predictions
    is_right = accepted(predictions, chosen.point.thresholds) == predictions.truth
    return {
        keyword: 1.0 - float(is_right[rows].mean())
        if (rows := np.flatnonzero(predictions.truth == label)).size
        else 0.0
        for label, keyword in enumerate(predictions.labels.keywords)
    }


def _named(facts: Mapping[str, str]) -> str:
    """The first words, each with its fact, and how many there are besides."""
    named = [f"{word}: {fact}" for word, fact in list(facts.items())[:_MOST_NAMED]]
    return ", ".join([*named, *([f"and {len(facts) - _MOST_NAMED} others"] if len(facts) > _MOST_NAMED else [])])
