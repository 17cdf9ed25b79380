"""What to record next, by what is known of a new model."""

from __future__ import annotations

import numpy as np
import pytest

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty.intervals import Interval
from speechtune.evaluation.figures.operating_point import measured
from speechtune.labels import LabelSet
from speechtune.training.advice import advice
from speechtune.training.head.cross_fitting import OutOfFold
from speechtune.training.head.thresholds import RECORDED, STRUNG, ChosenThresholds, TalkEstimate
from tests.support.clips import named_clip
from tests.support.training import training_set

WORDS = tuple(f"word{number}" for number in range(12))


def said(
    num_clips: int = 10, num_words: int = 12, talk: str | None = STRUNG, missed: int = 0, speakers: int = 10
) -> str:
    """The advice for `yes` and `no`, so many clips of `no` missed."""
    labels = LabelSet(("yes", "no"), ("_unknown_", *WORDS[:num_words]))
    clips = [named_clip(n, word, f"p{n % speakers}") for word in ("yes", "no") for n in range(num_clips)]
    clips += [named_clip(n, word, f"p{n}") for word in WORDS[:num_words] for n in range(3)]
    words = tuple(clip.label for clip in clips)
    posteriors = np.zeros((len(clips), 4), np.float32)
    for row, word in enumerate(words):
        posteriors[row, {"yes": 0, "no": 1}.get(word, 2)] = 1.0
    posteriors[num_clips : num_clips + missed] = [0.0, 0.1, 0.9, 0.0]
    predictions = Predictions(labels, posteriors, words, tuple(map(str, range(len(clips)))))
    estimate = None if talk is None else TalkEstimate(0.2, Interval(0.0, 3.0), 2.0, talk)
    point = measured(predictions, {"yes": 0.5, "no": 0.5}, None)
    held_out = OutOfFold(predictions, np.zeros(len(clips), np.int64), 1.0, ())
    return advice(training_set(labels, clips), held_out, ChosenThresholds(point, estimate))


def test_where_nothing_is_lacking_nothing_is_advised() -> None:
    assert said(talk=RECORDED) == ""


def test_a_room_helps_where_other_words_are_known_and_words_too_where_they_are_few() -> None:
    assert said() == (
        "what would help most: some minutes of the place where it will listen, without any command (--room)"
    )
    assert said(num_words=2).endswith("(--room), then clips of 10 to 20 other words (2 so far; --negatives)")
    assert said(num_words=0, talk=None).endswith("(none so far; --negatives)")


@pytest.mark.parametrize(
    ("missed", "first"), [(4, "more clips of the commands that are missed (no: 40% missed)"), (1, "some minutes")]
)
def test_commands_that_are_missed_come_before_the_room(missed: int, first: str) -> None:
    assert said(missed=missed).startswith(f"what would help most: {first}")


def test_few_clips_and_a_single_voice_are_told() -> None:
    assert said(num_clips=3).startswith("what would help most: 5 to 10 clips of each command (yes: 3 so far, no: 3 so")
    assert "clips by other people" in said(talk=RECORDED, speakers=1)
