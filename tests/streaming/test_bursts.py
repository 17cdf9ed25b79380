"""Words that only their level tells of: found, scored with caution, and noise that stays is let be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechtune.recipe import EndpointingSettings
from speechtune.streaming.bursts import BurstGate
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.decision import stricter
from speechtune.streaming.events import Detection, Rejected, SpeechStarted
from speechtune.streaming.voice.activity import ActivityAnswer, ActivityRequest, ActivityState
from tests.support.streaming import FRAME, LINEAR16, PitchScorer, events_of, linear16, quiet, tone

SETTINGS = EndpointingSettings()
ONSET = SETTINGS.onset_probability


@dataclass
class UnsureActivity:
    """Gives every frame the same small probability of speech."""

    probability: float = 0.1

    def probabilities(self, request: ActivityRequest) -> ActivityAnswer:
        nothing = ActivityState(np.zeros((2, 128), np.float32), np.zeros(64, np.float32))
        return ActivityAnswer(np.full(len(request.frames), self.probability, np.float32), nothing)

    def probabilities_together(self, requests: Sequence[ActivityRequest]) -> list[ActivityAnswer]:
        return [self.probabilities(request) for request in requests]


def frames_at(*levels_db):
    """One frame of a square wave for each level in dBFS."""
    amplitudes = 10.0 ** (np.array(levels_db, dtype=np.float32) / 20.0)
    return np.repeat(amplitudes[:, None], FRAME, axis=1)


def strengthened(levels_db, probability=0.1, settings=SETTINGS, gain_db=0.0):
    probabilities = np.full(len(levels_db), probability, dtype=np.float32)
    return BurstGate(settings).strengthen(probabilities, frames_at(*levels_db), [gain_db] * len(levels_db))


def test_a_frame_that_rises_above_its_background_counts_as_voice():
    below, above = SETTINGS.burst_db - 1.0, SETTINGS.burst_db + 1.0
    assert strengthened([-40, -40, -40 + below, -40]) == pytest.approx([0.1] * 4)
    assert strengthened([-40, -40, -40 + above, -40]) == pytest.approx([0.1, 0.1, ONSET, 0.1])


def test_what_the_model_rules_out_stays_ruled_out_however_loud():
    unlikely = SETTINGS.burst_probability / 2
    assert strengthened([-50, -50, -5], unlikely) == pytest.approx([unlikely] * 3)


def test_what_the_model_is_sure_of_stays_as_it_is():
    assert strengthened([-50, -50, -5], 0.9) == pytest.approx([0.9] * 3)


def test_noise_that_is_switched_on_becomes_the_background_within_seconds():
    heard = strengthened([-50] * 5 + [-30] * 300)
    assert heard[5:20] == pytest.approx([ONSET] * 15)
    assert heard[-100:] == pytest.approx([0.1] * 100)


def test_hum_after_digital_silence_is_measured_from_the_lowest_level_that_counts():
    assert strengthened([-120] * 5 + [-60 + SETTINGS.burst_db - 1.0]) == pytest.approx([0.1] * 6)


def test_what_was_amplified_for_the_model_is_measured_from_a_level_that_lies_as_much_lower():
    levels_db = [-120] * 5 + [-90 + SETTINGS.burst_db + 1.0] * 2
    assert strengthened(levels_db) == pytest.approx([0.1] * 7)
    assert strengthened(levels_db, gain_db=30.0) == pytest.approx([0.1] * 5 + [ONSET] * 2)


def test_a_frame_does_not_stand_out_because_the_gain_has_changed():
    gate = BurstGate(SETTINGS)
    levels_db, gains_db = [-80, -20, -80, -80, -80], [30.0, 0.0, 0.0, 15.0, 30.0]
    assert gate.strengthen(np.full(5, 0.1, np.float32), frames_at(*levels_db), gains_db) == pytest.approx(
        [0.1, ONSET, 0.1, 0.1, 0.1]
    )


def test_a_probability_of_one_leaves_the_level_out_of_account():
    assert strengthened([-50, -50, -5], 0.9, SETTINGS.model_copy(update={"burst_probability": 1.0})) == pytest.approx(
        [0.9] * 3
    )


@given(st.lists(st.floats(-90.0, 0.0), min_size=2, max_size=60), st.integers(1, 59))
def test_frames_may_come_one_by_one_or_together(levels, cut_at):
    frames, probabilities = frames_at(*levels), np.full(len(levels), 0.1, np.float32)
    gate = BurstGate(SETTINGS)
    gains_db = [float(level) for level in np.linspace(30.0, 0.0, len(levels))]
    parts = [
        gate.strengthen(probabilities[part], frames[part], gains_db[part])
        for part in (slice(cut_at), slice(cut_at, None))
    ]
    whole = BurstGate(SETTINGS).strengthen(probabilities, frames, gains_db)
    assert np.concatenate(parts).tolist() == whole


WORD = np.concatenate([quiet(16_000) + 0.00015, tone(250, 8_000), quiet(16_000) + 0.00015])


def test_a_word_that_voice_activity_misses_is_detected_by_its_level_at_a_stricter_threshold():
    found = events_of([linear16(WORD)], activity=UnsureActivity())
    assert [type(event) for event in found if isinstance(event, SpeechStarted | Detection)] == [
        SpeechStarted,
        Detection,
    ]
    detection = next(event for event in found if isinstance(event, Detection))
    caution = SessionConfig(LINEAR16).detector.long_speech_caution
    assert detection.threshold == pytest.approx(stricter(0.5, caution))
    assert detection.start_sample <= 16_000
    assert detection.end_sample + FRAME >= 24_000


def test_such_a_word_is_rejected_where_it_is_less_sure_than_that():
    scorer = PitchScorer(thresholds={"low": 0.97, "high": 0.97})
    found = events_of([linear16(WORD)], scorer=scorer, activity=UnsureActivity())
    assert [event.label for event in found if isinstance(event, Rejected)] == ["low"]
    heard = events_of([linear16(WORD)], scorer=PitchScorer(thresholds={"low": 0.9, "high": 0.9}))
    assert [event.label for event in heard if isinstance(event, Detection)] == ["low"]


def test_without_a_hint_from_the_model_there_is_nothing_to_score():
    scorer = PitchScorer()
    assert events_of([linear16(WORD)], scorer=scorer, activity=UnsureActivity(0.001)) == []
    assert scorer.num_windows == 0
