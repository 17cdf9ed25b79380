"""The thresholds of a new model, and how often it will fire on talk: from clips and talk held out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from speechtune.evaluation.certainty.intervals import Interval
from speechtune.evaluation.figures.operating_point import OperatingPoint, keyword_shifts, logit, measured, word_level
from speechtune.evaluation.streams.talk_curve import (
    TalkCurve,
    as_thresholds,
    choose_level,
    level_between,
)
from speechtune.recipe import CalibrationSettings
from speechtune.training.head.cross_fitting import OutOfFold
from speechtune.training.head.speech_playback import HeardTalk, hear_talk
from speechtune.training.head.training_run import TrainingRun
from speechtune.training.material.held_out_talk import Talk

RECORDED, STRUNG = "recorded speech", "negative words strung together"
"""The kinds of talk."""


@dataclass(frozen=True)
class TalkEstimate:
    """What talk does at the chosen thresholds.

    Attributes:
        per_hour: false accepts an hour, estimated; `interval`: of what was counted (95 %, Poisson).
        minutes: of talk that were heard.
        talk: what kind of talk.
    """

    per_hour: float
    interval: Interval
    minutes: float
    talk: str

    def as_facts(self) -> JsonValue:
        """For the checkpoint."""
        return {
            "per_hour": round(self.per_hour, 3),
            "interval": [round(self.interval.low, 3), round(self.interval.high, 3)],
            "minutes_heard": round(self.minutes, 2),
            "talk": self.talk,
        }


@dataclass(frozen=True)
class ChosenThresholds:
    """The thresholds, and what is known of them.

    Attributes:
        point: thresholds, and what they do on single clips.
        talk: how often they let talk through; None: no recorded talk was there, so that it is not known.
    """

    point: OperatingPoint
    talk: TalkEstimate | None

    @property
    def summary(self) -> str:
        """One sentence: how often it fires on talk, and what it misses."""
        rate = self.point.detection_rate
        missed = "how much it misses is not known" if rate is None else f"misses about {100 * (1 - rate):.0f} of 100"
        if self.talk is None:
            return (
                "how often it fires on talk is not known, since no recorded speech without commands was there to "
                f"measure on; {missed}"
            )
        return (
            f"fires about {self.talk.per_hour:.2g} times an hour on running speech ({self.talk.minutes:.1f} minutes "
            f"of {self.talk.talk} heard, 95 %: {self.talk.interval.low:.1f} to {self.talk.interval.high:.1f}); {missed}"
        )


def choose_by_talk(run: TrainingRun, held_out: OutOfFold, talk: Sequence[Talk]) -> ChosenThresholds:
    """Play to every held-out head the talk that it never met, and choose one threshold per keyword.

    Args:
        run: of the model.
        held_out: heads and answers of its cross-fitting.
        talk: what was held out from these heads.
    """
    run.progress("hear talk", 0, 1)
    with run.classifier.on(run.device):
        heard = [hear_talk(run.classifier, held_out.heads, kind, run.recipe) for kind in talk]
    run.progress("hear talk", 1, 1)
    return choose(held_out, heard, run.recipe.calibration)


def choose(held_out: OutOfFold, talk: Sequence[HeardTalk], settings: CalibrationSettings) -> ChosenThresholds:
    """Choose one threshold per keyword.

    Where recorded talk was heard, as `choose_level` says, and so that no more single words pass than
    `false_accept_rate` allows. Elsewhere between the commands and the synthesised speech that teaches: then nothing is
    claimed of talk.
    """
    predictions = held_out.predictions
    keywords = predictions.labels.keywords
    shifts = keyword_shifts(predictions)
    commands = _command_logits(held_out, shifts)
    if not talk:
        other = np.zeros((0, len(keywords))) if held_out.added is None else held_out.added
        level = level_between(commands, (logit(other) - shifts).max(axis=1) if len(other) else np.zeros(0))
        note = (
            "no recorded speech without commands: thresholds stand between the commands and synthesised speech; give "
            "recordings of other words or of the place where it will listen as negatives, and thresholds rest on them"
        )
        return ChosenThresholds(measured(predictions, as_thresholds(keywords, shifts, level), note), None)
    curves = [one.curve(shifts) for one in talk]
    least = word_level(predictions, settings.false_accept_rate, shifts)
    level, talk_note = choose_level(curves, settings.false_accepts_per_hour, commands, least)
    point = measured(predictions, as_thresholds(keywords, shifts, level), talk_note)
    return ChosenThresholds(point, _estimate(curves, level))


def _command_logits(held_out: OutOfFold, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[N]: of every held-out keyword clip, the logit of its own keyword less the keyword's shift."""
    predictions = held_out.predictions
    rows = np.flatnonzero(predictions.is_keyword)
    own = predictions.truth[rows]
    found: NDArray[np.float64] = logit(predictions.posteriors[rows, own]) - shifts[own]
    return found


def _estimate(curves: Sequence[TalkCurve], level: float) -> TalkEstimate:
    """Of the first kind of talk, which is the likest to what will be heard."""
    curve = curves[0]
    return TalkEstimate(
        curve.per_hour(level), curve.interval(level), 60.0 * curve.hours, RECORDED if curve.excess == 1.0 else STRUNG
    )
