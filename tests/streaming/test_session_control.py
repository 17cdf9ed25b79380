"""Orders inside a stream: flush, reset and other commands, each at an exact place in the audio."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.errors import ConfigError, SessionGrammarError, UnknownLabelError
from speechtune.recipe import DetectorSettings
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune.streaming.driver import advance
from speechtune.streaming.events import Detection, SpeechEnded, SpeechStarted
from tests.support.streaming import (
    FRAME,
    LINEAR16,
    LoudnessActivity,
    PitchScorer,
    cut,
    events_of,
    linear16,
    open_session,
    quiet,
    tone,
)

SPEECH = np.concatenate(
    [
        quiet(9_000),
        tone(250, 6_000),
        quiet(12_000),
        tone(1000, 5_000),
        quiet(9_000),
        tone(600, 30_000),
        tone(250, 9_000),
    ]
)
CONFIG = SessionConfig(LINEAR16, detector=DetectorSettings(refractory_ms=0))


def detections(events):
    return [event.label for event in events if isinstance(event, Detection)]


def ordered_events(steps, config=CONFIG):
    """Events of a session that is given bytes and orders in turn, then ended."""
    session, scorer, activity = open_session(PitchScorer(), config), PitchScorer(), LoudnessActivity()
    events = []
    for step in steps:
        if isinstance(step, bytes):
            session.receive(step)
        else:
            step(session)
        events += advance(session, scorer, activity)
    session.end()
    return events + advance(session, scorer, activity)


def flush(session):
    session.flush()


def reset(session):
    session.reset()


def shifted(events, num_samples):
    """The events as they would be, had the stream begun so much earlier."""
    moved = []
    for event in events:
        names = [field.name for field in dataclasses.fields(event) if field.name.endswith("_sample")]
        changes = {name: getattr(event, name) + num_samples for name in names}
        if isinstance(event, Detection):
            changes["event_id"] = f"{changes['decision_sample']}-{event.label}"
        moved.append(dataclasses.replace(event, **changes))
    return moved


@settings(max_examples=30, deadline=None)
@given(st.integers(0, len(SPEECH)), st.lists(st.integers(0, 30_000), max_size=6))
def test_a_flush_is_an_end_and_a_beginning_wherever_it_stands(place, lengths):
    before, after = linear16(SPEECH[:place]), linear16(SPEECH[place:])
    events = ordered_events([*cut(before, lengths), flush, *cut(after, lengths)])
    assert events == [*events_of([before], CONFIG), *shifted(events_of([after], CONFIG), place)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, len(SPEECH)), st.lists(st.integers(0, 30_000), max_size=6))
def test_after_a_reset_only_later_audio_counts(place, lengths):
    before, after = linear16(SPEECH[:place]), linear16(SPEECH[place:])
    session = open_session(PitchScorer(), CONFIG)
    session.receive(before)
    heard = advance(session, PitchScorer(), LoudnessActivity())
    events = ordered_events([*cut(before, lengths), reset, *cut(after, lengths)])
    assert events == [*heard, *shifted(events_of([after], CONFIG), place)]


def test_a_flush_keeps_the_refractory_time_and_a_reset_forgets_it():
    word = linear16(np.concatenate([quiet(4_000), tone(250, 6_000)]))
    long = dataclasses.replace(CONFIG, detector=DetectorSettings(refractory_ms=60_000))
    assert detections(ordered_events([word, flush, word, flush], long)) == ["low"]
    assert detections(ordered_events([word, flush, reset, word, flush], long)) == ["low", "low"]


def test_a_flush_inside_a_value_of_many_bytes_loses_none():
    content = linear16(SPEECH)
    events = ordered_events([content[:20_001], flush, content[20_001:]])
    assert detections(events) == detections(ordered_events([content[:20_000], flush, content[20_000:]]))


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000])
def test_places_stay_exact_over_many_flushes_at_any_rate(rate_hz):
    config = SessionConfig(PcmFormat(PcmEncoding.LINEAR16, rate_hz))
    chunk = bytes(2 * (rate_hz // 7))
    session = open_session(PitchScorer(), config)
    for _ in range(70):
        session.receive(chunk)
        advance(session, PitchScorer(), LoudnessActivity())
        session.flush()
        advance(session, PitchScorer(), LoudnessActivity())
    assert session.num_samples_processed == round(70 * (rate_hz // 7) * 16_000 / rate_hz)


def test_other_commands_hold_from_their_place_on():
    everything = linear16(SPEECH)
    place = 2 * 20_000

    def only_low(session):
        session.update_commands((CommandRule("low"),))

    assert detections(ordered_events([everything])) == ["low", "high"]
    assert detections(ordered_events([everything[:place], only_low, everything[place:]])) == ["low"]

    def strict_low(session):
        session.update_commands((CommandRule("low", threshold=1.0),))

    def all_again(session):
        session.update_commands(())

    assert detections(ordered_events([strict_low, everything[:place], all_again, everything[place:]])) == ["high"]


def test_commands_that_cannot_be_reported_change_nothing():
    session = open_session(PitchScorer(), CONFIG)
    rules = session.rules
    with pytest.raises(UnknownLabelError, match="low, high"):
        session.update_commands((CommandRule("louder"),))
    with pytest.raises(ConfigError, match="twice"):
        session.update_commands((CommandRule("low"), CommandRule("low")))
    assert session.rules == rules


@pytest.mark.parametrize("order", ["flush", "reset", "update_commands"])
def test_an_order_waits_for_the_work_before_it_and_for_the_end(order):
    def give(session):
        getattr(session, order)(*([()] if order == "update_commands" else []))

    session = open_session(PitchScorer(), CONFIG)
    session.receive(linear16(quiet(FRAME)))
    with pytest.raises(SessionGrammarError, match="work that waits"):
        give(session)
    session = open_session(PitchScorer(), CONFIG)
    session.end()
    with pytest.raises(SessionGrammarError, match="end of the audio"):
        give(session)


def test_while_a_flush_is_going_on_nothing_else_is_taken():
    session = open_session(PitchScorer(), CONFIG)
    session.receive(linear16(tone(250, FRAME - 1)))
    session.flush()
    for call in (lambda: session.receive(b""), session.end, session.flush, session.reset):
        with pytest.raises(SessionGrammarError, match="work that waits"):
            call()
    kinds = [type(event) for event in advance(session, PitchScorer(), LoudnessActivity())]
    assert kinds[:2] == [SpeechStarted, SpeechEnded]
    session.receive(b"")
