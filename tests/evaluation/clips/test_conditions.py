from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.clips import Clip
from speechtune.errors import DataError
from speechtune.evaluation.clips.conditions import score_conditions
from speechtune.evaluation.clips.metrics import ConditionMetrics
from tests.support.streaming import PitchScorer, tone

HZ = {"low": 250.0, "high": 1000.0, "_unknown_": 600.0}


def clip(label: str, number: int) -> Clip:
    return Clip(Path(f"{label}{number}.wav"), label, speaker=f"s{number % 7}")


def read(wanted: Clip) -> np.ndarray:
    return tone(HZ[wanted.label], SAMPLE_RATE_HZ)


CLIPS = [clip(label, number) for label in HZ for number in range(35)]


@pytest.fixture(scope="module")
def plain() -> list[ConditionMetrics]:
    return score_conditions(PitchScorer(), CLIPS, read=read)


def of(kind: str, found) -> dict[float, object]:
    return {one.value: one for one in found if one.kind == kind}


def test_noise_at_falling_snr_hurts_more_and_more_and_clean_clips_fare_as_the_model_does():
    found = score_conditions(PitchScorer(thresholds={"low": 0.9, "high": 0.9}), CLIPS, read=read)
    clean = of("clean", found)[0.0]
    assert (clean.closed_set_accuracy, clean.detection_rate, clean.false_accept_rate) == (1.0, 1.0, 0.0)
    rates = [of("noise", found)[snr].detection_rate for snr in (20.0, 10.0, 5.0, 0.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1.0
    assert rates[-1] < 0.5


def test_level_alone_changes_nothing_for_a_model_that_hears_pitch(plain):
    found = of("level", plain)
    assert {one.closed_set_accuracy for one in found.values()} == {1.0}
    assert {one.false_accept_rate for one in found.values()} == {0.0}


def test_speed_moves_the_pitch_away(plain):
    found = of("speed", plain)
    assert found[0.9].detection_rate == pytest.approx(0.5)  # 900 Hz is no longer high, 225 Hz is still low
    assert found[0.8].num_clips == 30 + 30 + 35


def test_recorded_noise_is_used_where_it_is_given():
    hum = tone(250, 40_000)
    found = score_conditions(PitchScorer(), CLIPS[::3], [hum], read=read)
    assert of("noise", found)[0.0].false_accept_rate == 0.0
    assert of("noise", found)[0.0].detection_rate == pytest.approx(0.5, abs=0.03)


def test_a_clip_meets_the_same_noise_whatever_clips_stand_before_it():
    some = CLIPS[::5]  # so few that all are taken
    there, back = (score_conditions(PitchScorer(), clips, read=read) for clips in (some, some[::-1]))
    rates = [
        [(one.closed_set_accuracy, one.detection_rate, one.false_accept_rate) for one in way] for way in (there, back)
    ]
    assert rates[0] == rates[1]


def test_intervals_hold_the_figure_and_need_two_speakers(plain):
    for one in plain:
        low, high = one.closed_set_interval
        assert low <= one.closed_set_accuracy <= high
        assert one.detection_interval[0] <= one.detection_rate <= one.detection_interval[1]
        assert one.false_accept_interval[0] <= one.false_accept_rate <= one.false_accept_interval[1]
    lone = [replace(each, speaker="ann") for each in CLIPS[::5]]
    assert {one.closed_set_interval for one in score_conditions(PitchScorer(), lone, read=read)} == {None}


def test_rates_that_no_clip_can_show_are_none():
    found = score_conditions(PitchScorer(), [clip("_unknown_", 0)], read=read)
    assert {one.detection_rate for one in found} == {None}
    with pytest.raises(DataError):
        score_conditions(PitchScorer(), [], read=read)
