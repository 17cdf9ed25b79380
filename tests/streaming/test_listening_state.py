"""A stream that goes on elsewhere from its listening state finds what it would have found here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from speechtune.errors import ConfigError, SessionGrammarError
from speechtune.recipe import DetectorSettings
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.driver import advance
from speechtune.streaming.events import Detection
from speechtune.streaming.listening_state import ListeningState, state_from_bytes
from speechtune.streaming.session import Session
from speechtune.streaming.voice.activity import SileroActivity
from tests.support.streaming import LINEAR16, PitchScorer, linear16, talk

NS = 62_500
CONFIG = SessionConfig(LINEAR16, detector=DetectorSettings(threshold=0.0))
"""Whatever is spoken is detected."""


@pytest.fixture(scope="module")
def activity():
    return SileroActivity()


@pytest.fixture(scope="module")
def content():
    return linear16(talk(40))


def session_from(state=None):
    scorer = PitchScorer()
    return Session(CONFIG, scorer.labels, scorer.thresholds, scorer.window_samples, state=state)


def heard(session, content, activity, step=7_000):
    """Detections as (event_id, start, end), and the states on the way."""
    found, states = [], []
    for start in range(0, len(content), step):
        session.receive(content[start : start + step])
        found += advance(session, PitchScorer(), activity)
        if (state := session.listening_state) is not None:
            assert state.sample == session.num_samples_processed
            states.append(state)
    session.end()
    found += advance(session, PitchScorer(), activity)
    return [
        (event.event_id, event.start_sample, event.end_sample) for event in found if isinstance(event, Detection)
    ], states


def shifted(detections, samples):
    moved = []
    for event_id, start, end in detections:
        place, _, label = event_id.partition("-")
        moved.append((f"{int(place) + samples}-{label}", start + samples, end + samples))
    return moved


def test_whoever_goes_on_from_a_state_detects_to_the_sample_what_an_unbroken_stream_detects(content, activity):
    unbroken, states = heard(session_from(), content, activity)
    assert len(unbroken) > 15
    assert len(states) > 40
    for state in states[5::8]:
        begin = max(state.sample - 16_000, 0) // 512 * 512
        carried = state_from_bytes(state.to_bytes(NS, 5_000_000_000), NS, 5_000_000_000 + begin * NS)
        assert carried is not None
        found, _ = heard(session_from(carried), content[2 * begin :], activity, 4_444)
        assert shifted(found, begin) == [one for one in unbroken if int(one[0].partition("-")[0]) > state.sample]


def test_without_the_state_it_is_not_the_same_which_is_why_there_is_one(content, activity):
    unbroken, states = heard(session_from(), content, activity)
    same = 0
    for state in states[5::8]:
        begin = max(state.sample - 16_000, 0) // 512 * 512
        found = shifted(heard(session_from(), content[2 * begin :], activity)[0], begin)
        later = [one for one in unbroken if int(one[0].partition("-")[0]) > state.sample]
        same += found[len(found) - len(later) :] == later
    assert same < len(states[5::8])


def test_there_is_none_while_somebody_speaks_or_after_the_end(content, activity):
    session = session_from()
    session.receive(content[:96_000])
    advance(session, PitchScorer(), activity)
    session.end()
    assert session.listening_state is None


def test_an_order_before_the_place_of_the_state_is_refused(content, activity):
    _, states = heard(session_from(), content, activity)
    begin = states[-1].sample - 8_192
    session = session_from(state_from_bytes(states[-1].to_bytes(NS, 0), NS, begin * NS))
    session.receive(content[2 * begin : 2 * begin + 4_000])
    for order in (session.flush, session.reset):
        with pytest.raises(SessionGrammarError, match="before the place of the listening state"):
            order()
    session.end()
    assert advance(session, PitchScorer(), activity) == []
    assert session.is_finished


def state():
    from speechtune.streaming.voice.activity import ActivityState

    memory = ActivityState(np.ones((2, 128), np.float32), np.ones(64, np.float32))
    return ListeningState(16_000, 15_000, memory, 3, -40.0, (0.1, 0.2), -55.0)


def test_what_is_no_state_is_refused_and_one_of_another_version_is_left_aside():
    content = state().to_bytes(NS, 0)
    assert state_from_bytes(bytes([9]) + content[1:], NS, 0) is None
    nan = dataclasses.replace(state(), background_db=float("nan")).to_bytes(NS, 0)
    for broken in (content[:-1], content[:20], content + b"\0", nan, content[:-4] + b"\xff\xff\xff\x7f"):
        with pytest.raises(ConfigError):
            state_from_bytes(broken, NS, 0)
    with pytest.raises(ConfigError, match="before the audio that follows"):
        state_from_bytes(content, NS, 2_000_000_000)
    silent = dataclasses.replace(state(), activity=None, background_db=None)
    assert state_from_bytes(silent.to_bytes(NS, 7), NS, 7) == silent
