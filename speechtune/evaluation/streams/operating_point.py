"""Thresholds for a rate of false accepts per hour, chosen on long recordings through the session.

In two steps, both by deciding the session's own steps again (`Playback.streams_at`):

1. *Together.* All calibrated thresholds move by one common amount, in logits, as low as the rate allows.
2. *Each alone*, where the recordings hold keywords: a keyword moves on, at most `_MAX_OWN_SHIFT`, while that makes
   more words heard and the number of false accepts stays allowed. Little data cannot pull a keyword far.

What is counted are the false accepts where no keyword was said; those on another keyword come with the words, not with
the hours, but a keyword does not move on if that makes more words confused than heard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from speechtune.errors import ConfigError, DataError
from speechtune.evaluation.figures.operating_point import HIGHEST, LOWEST
from speechtune.evaluation.streams.playback import Playback
from speechtune.evaluation.streams.scoring import StreamScores, score_streams

_STEP = 0.125  # logits: finer than any data of hours can tell
_LOWEST_SHIFT, _HIGHEST_SHIFT = -6.0, 6.0
_MAX_OWN_SHIFT = 1.0
_FLOAT_EDGE = 1e-6


@dataclass(frozen=True)
class StreamOperatingPoint:
    """Thresholds and what they do on the recordings they were chosen on.

    Attributes:
        thresholds: of every keyword, 0 to 1.
        num_allowed: false accepts that the rate allows in these hours.
        before, after: how the recordings are heard at the old and the new thresholds.
        notes: what a reader must know, one sentence each.
    """

    thresholds: dict[str, float]
    num_allowed: int
    before: StreamScores
    after: StreamScores
    notes: tuple[str, ...]


def choose_stream_thresholds(playback: Playback, false_accepts_per_hour: float) -> StreamOperatingPoint:
    """Choose the thresholds of every keyword.

    Args:
        playback: recordings that the model was not trained on.
        false_accepts_per_hour: where no keyword is said; above 0.

    Raises:
        ConfigError: the rate is not above 0.
        DataError: there is no audio without keywords.
    """
    check_rate(false_accepts_per_hour)
    before = _scores(playback, playback.thresholds)
    if before.negative_hours <= 0.0:
        raise DataError("the recordings hold no audio without keywords: a rate per hour cannot be chosen on them")
    num_allowed = math.floor(false_accepts_per_hour * before.negative_hours)
    thresholds = _together(playback, num_allowed)
    if before.total.num_spoken:
        thresholds = _each_alone(playback, thresholds, num_allowed)
    after = _scores(playback, thresholds)
    return StreamOperatingPoint(
        thresholds, num_allowed, before, after, _notes(after, num_allowed, false_accepts_per_hour)
    )


def check_rate(false_accepts_per_hour: float) -> None:
    """Refuse a rate that no thresholds can be chosen for; ask before playback, not after it.

    Raises:
        ConfigError: it is not above 0.
    """
    if not (math.isfinite(false_accepts_per_hour) and false_accepts_per_hour > 0.0):
        raise ConfigError(f"--fa-per-hour {false_accepts_per_hour}: choose a rate above 0, for example 0.5")


def _scores(playback: Playback, thresholds: dict[str, float]) -> StreamScores:
    return score_streams(playback.streams_at(thresholds), playback.labels.keywords)


def _together(playback: Playback, num_allowed: int) -> dict[str, float]:
    """The lowest common shift from which upwards the number of false accepts stays allowed."""
    lowest = shifted(playback.thresholds, _HIGHEST_SHIFT)
    for shift in np.arange(_HIGHEST_SHIFT, _LOWEST_SHIFT - _STEP / 2, -_STEP):
        thresholds = shifted(playback.thresholds, float(shift))
        if _scores(playback, thresholds).total.num_alone > num_allowed:
            break
        lowest = thresholds
    return lowest


def _each_alone(playback: Playback, thresholds: dict[str, float], num_allowed: int) -> dict[str, float]:
    best = _scores(playback, thresholds)
    for keyword in playback.labels.keywords:
        start = thresholds
        for own in np.arange(-_STEP, -_MAX_OWN_SHIFT - _STEP / 2, -_STEP):
            tried = start | shifted({keyword: start[keyword]}, float(own))
            found = _scores(playback, tried)
            if found.total.num_alone > num_allowed:
                break
            if _worth(found) > _worth(best):
                thresholds, best = tried, found
    return thresholds


def _worth(scores: StreamScores) -> int:
    return scores.total.num_heard - scores.total.num_confused - scores.total.num_repeated


def shifted(thresholds: dict[str, float], shift: float) -> dict[str, float]:
    """Thresholds moved by `shift` logits, within what a threshold may be."""
    moved = {}
    for keyword, threshold in thresholds.items():
        inside = min(max(threshold, _FLOAT_EDGE), 1.0 - _FLOAT_EDGE)
        level = 1.0 / (1.0 + math.exp(-(math.log(inside / (1.0 - inside)) + shift)))
        moved[keyword] = min(max(level, LOWEST), HIGHEST)
    return moved


def _notes(after: StreamScores, num_allowed: int, false_accepts_per_hour: float) -> tuple[str, ...]:
    notes = ["the rates are those on the recordings that the thresholds were chosen on; measure them on others"]
    if num_allowed < 1:
        notes.append(
            f"{after.negative_hours:.2f} h are too short for {false_accepts_per_hour:g} an hour: none was allowed, and "
            f"none in so many hours only shows a rate below {3.0 / after.negative_hours:.1f}"
        )
    if after.total.num_alone > num_allowed:
        notes.append(
            f"even thresholds of {HIGHEST} let {after.total.num_alone} false accepts through, {num_allowed} are "
            "allowed; listen to them, and give such words as negatives"
        )
    return tuple(notes)
