"""What a stream's level tells of its microphone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.streaming.driver import advance
from speechtune.streaming.microphone import DEAD_SECONDS, MicrophoneMeter, MicrophoneState
from speechtune.streaming.voice.quiet_gate import QUIET_PEAK
from tests.support.streaming import FRAME, LoudnessActivity, PitchScorer, cut, linear16, open_session, quiet, tone

DEAD_FRAMES = int(DEAD_SECONDS * 16_000 / FRAME) + 1
NORMAL, LOW = 0.3, 0.005


def heard(*stretches):
    """The meter after stretches of (number of frames, peak, whether it is speech)."""
    meter = MicrophoneMeter()
    for num_frames, peak, is_speech in stretches:
        for _ in range(num_frames):
            meter.hear(peak, is_speech=is_speech)
    return meter.microphone


def test_at_first_and_in_a_quiet_room_nothing_can_be_said():
    assert heard().state is MicrophoneState.UNKNOWN
    assert heard().level_dbfs is None
    room = heard((1_000, 0.001, False))
    assert room.state is MicrophoneState.UNKNOWN
    assert room.level_dbfs == pytest.approx(-60.0, abs=0.01)
    assert room.speech_dbfs is None


def test_speech_tells_a_quiet_microphone_from_one_that_is_well():
    assert heard((30, NORMAL, True)).state is MicrophoneState.OK
    low = heard((30, LOW, True))
    assert low.state is MicrophoneState.QUIET
    assert low.speech_dbfs == pytest.approx(-46.0, abs=0.1)


def test_a_long_pause_does_not_make_a_microphone_quiet():
    assert heard((30, NORMAL, True), (20_000, 0.0005, False)).state is MicrophoneState.OK


def test_a_microphone_that_is_turned_down_or_up_is_known_after_some_speech():
    assert heard((30, NORMAL, True), (10, LOW, True)).state is MicrophoneState.OK
    assert heard((30, NORMAL, True), (200, LOW, True)).state is MicrophoneState.QUIET
    assert heard((30, LOW, True), (1, NORMAL, True)).state is MicrophoneState.OK


def test_digital_silence_is_a_dead_microphone_after_ten_seconds_and_any_sound_brings_it_back():
    assert heard((DEAD_FRAMES - 2, 0.0, False)).state is MicrophoneState.UNKNOWN
    assert heard((DEAD_FRAMES, 0.0, False)).state is MicrophoneState.DEAD
    assert heard((DEAD_FRAMES, QUIET_PEAK / 2, False)).state is MicrophoneState.DEAD
    assert heard((30, NORMAL, True), (DEAD_FRAMES, 0.0, False)).state is MicrophoneState.DEAD
    assert heard((DEAD_FRAMES, 0.0, False), (1, 0.001, False)).state is MicrophoneState.UNKNOWN


def test_the_level_falls_by_three_decibels_a_second_down_to_none():
    assert heard((1, 0.1, False), (313, 0.001, False)).level_dbfs == pytest.approx(-50.0, abs=0.1)
    assert heard((1, 0.1, False), (2_000, 0.0, False)).level_dbfs is None


def microphone_of(chunks, orders=()):
    session, scorer, activity = open_session(PitchScorer()), PitchScorer(), LoudnessActivity()
    for chunk in chunks:
        session.receive(chunk)
        advance(session, scorer, activity)
    for order in orders:
        getattr(session, order)()
        advance(session, scorer, activity)
    return session.microphone


WORDS = np.concatenate([quiet(8_000), tone(250, 8_000, LOW), quiet(12_000), tone(1000, 9_000, LOW), quiet(12_000)])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 20_000), max_size=20))
def test_a_session_tells_it_however_the_audio_is_cut(lengths):
    content = linear16(WORDS)
    microphone = microphone_of(cut(content, lengths))
    assert microphone == microphone_of([content])
    assert microphone.state is MicrophoneState.QUIET
    assert microphone.speech_dbfs == pytest.approx(-46.0, abs=3.0)


def test_a_flush_keeps_what_is_known_of_the_microphone_and_a_reset_forgets_it():
    content = linear16(WORDS)
    assert microphone_of([content], ["flush"]).state is MicrophoneState.QUIET
    assert microphone_of([content], ["reset"]).state is MicrophoneState.UNKNOWN
