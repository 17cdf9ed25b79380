"""The session's promises: the same events however the audio is cut, right offsets, right grammar."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.errors import ConfigError, SessionGrammarError, UnknownLabelError, UnreadableAudioError
from speechtune.recipe import DetectorSettings, EndpointingSettings
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune.streaming.driver import advance
from speechtune.streaming.events import Detection, Interim, Rejected, SpeechEnded, SpeechStarted
from speechtune.streaming.session import ScoreRequest, Session
from speechtune.streaming.voice.activity import ActivityRequest
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

UTTERANCES = np.concatenate(
    [
        quiet(9_000),
        tone(250, 6_000),
        quiet(12_000),
        tone(1000, 5_000),
        quiet(10_000),
        tone(600, 6_000),
        quiet(11_111),
        tone(600, 15_000),
        tone(250, 25_000),
        tone(600, 9_000),
        quiet(7_000),
        tone(1000, 4_000),
    ]
)


def detections(events):
    return [event for event in events if isinstance(event, Detection)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40_000), max_size=30))
def test_events_do_not_depend_on_how_the_bytes_are_cut(lengths):
    content = linear16(UTTERANCES)
    config = SessionConfig(LINEAR16, interims=True)
    assert events_of(cut(content, lengths), config) == events_of([content], config)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([8_000, 11_025, 44_100, 48_000]), st.lists(st.integers(0, 9_001), max_size=20))
def test_events_do_not_depend_on_the_cut_at_other_rates_with_two_channels_of_float32(rate_hz, lengths):
    samples = np.repeat(UTTERANCES[:60_000].astype("<f4"), 2)
    config = SessionConfig(PcmFormat(PcmEncoding.FLOAT32, rate_hz, channels=2))
    assert events_of(cut(samples.tobytes(), lengths), config) == events_of([samples.tobytes()], config)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_samples_lead_to_the_same_events_as_their_bytes(rate_hz):
    config = SessionConfig(PcmFormat(PcmEncoding.FLOAT32, rate_hz), interims=True)
    expected = events_of([UTTERANCES.astype("<f4").tobytes()], config)
    assert events_of(np.split(UTTERANCES, [1, 700, 90_000]), config) == expected
    assert expected


def test_samples_that_are_no_amplitudes_or_come_inside_a_value_are_refused():
    session = open_session(PitchScorer())
    with pytest.raises(UnreadableAudioError, match="full scale"):
        session.receive(np.full(100, 1_000.0, dtype=np.float32))
    session.receive(b"\x01")
    with pytest.raises(SessionGrammarError, match="inside a value"):
        session.receive(quiet(100))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_a_listener_is_told_all_audio_at_its_place_also_over_a_flush_and_a_reset(rate_hz):
    pieces = []
    config = SessionConfig(PcmFormat(PcmEncoding.FLOAT32, rate_hz))
    scorer = PitchScorer()
    session = Session(
        config,
        scorer.labels,
        scorer.thresholds,
        scorer.window_samples,
        listener=lambda start, samples: pieces.append((start, samples)),
    )
    for order in (session.flush, session.reset, session.end):
        session.receive(UTTERANCES[:20_000])
        advance(session, scorer, LoudnessActivity())
        order()
        advance(session, scorer, LoudnessActivity())
    place = 0
    for start, samples in pieces:
        assert abs(start - place) <= 1
        place = start + len(samples)
    assert abs(place - 60_000 * 16_000 // rate_hz) <= 1


def test_each_utterance_is_detected_once_with_its_offsets():
    found = detections(events_of([linear16(UTTERANCES)]))
    assert [event.label for event in found] == ["low", "high", "low", "high"]
    first, second = found[:2]
    assert first.start_sample <= 9_000 <= first.start_sample + 2_560 + FRAME
    assert 15_000 <= first.end_sample <= 15_000 + FRAME
    assert second.start_sample <= 27_000
    assert second.end_sample >= 32_000
    for event in found:
        assert event.start_sample < event.end_sample <= event.decision_sample <= len(UTTERANCES)


def test_a_decision_waits_for_the_hangover_and_no_longer():
    event = detections(events_of([linear16(UTTERANCES)]))[0]
    hangover = EndpointingSettings().hangover_ms * 16
    assert hangover <= event.decision_sample - event.end_sample < hangover + FRAME


def test_a_word_inside_long_speech_is_detected_while_the_speech_goes_on():
    events = events_of([linear16(UTTERANCES)])
    inside = detections(events)[2]
    start = 9_000 + 6_000 + 12_000 + 5_000 + 10_000 + 6_000 + 11_111
    assert inside.label == "low"
    assert start + 15_000 < inside.decision_sample < start + 15_000 + 25_000
    ended = [event for event in events if isinstance(event, SpeechEnded) and event.start_sample < start + 1]
    assert inside.decision_sample < ended[-1].decision_sample


def test_speech_that_is_no_keyword_is_rejected_with_the_best_label():
    rejected = [event for event in events_of([linear16(UTTERANCES)]) if isinstance(event, Rejected)]
    assert [event.label for event in rejected] == ["_unknown_"]
    assert rejected[0].threshold == 0.5


def test_silence_leads_to_no_event_and_no_scoring():
    scorer = PitchScorer()
    assert events_of([linear16(quiet(160_000))], scorer=scorer) == []
    assert scorer.num_windows == 0


def test_no_audio_at_all_leads_to_no_event():
    assert events_of([]) == []
    assert events_of([b"", b""]) == []


def test_speech_up_to_the_last_sample_is_still_decided():
    samples = np.concatenate([quiet(8_000), tone(250, 5_001)])
    events = events_of([linear16(samples)])
    assert [type(event) for event in events] == [SpeechStarted, SpeechEnded, Detection]
    assert events[-1].end_sample == len(samples)


def test_refractory_time_mutes_the_same_label_and_no_other():
    gap = quiet(4_096)
    samples = np.concatenate([tone(250, 5_120), gap, tone(250, 5_120), gap, tone(1000, 5_120), gap, tone(250, 5_120)])
    long = SessionConfig(LINEAR16, detector=DetectorSettings(refractory_ms=700))
    labels = [event.label for event in detections(events_of([linear16(samples)], long))]
    assert labels == ["low", "high", "low"]
    none = SessionConfig(LINEAR16, detector=DetectorSettings(refractory_ms=0))
    labels = [event.label for event in detections(events_of([linear16(samples)], none))]
    assert labels == ["low", "low", "high", "low"]
    of_one = DetectorSettings(refractory_ms=700, refractory_ms_of={"low": 0})
    labels = [
        event.label for event in detections(events_of([linear16(samples)], SessionConfig(LINEAR16, detector=of_one)))
    ]
    assert labels == ["low", "low", "high", "low"]
    ruled = SessionConfig(LINEAR16, (CommandRule("low", refractory_ms=700), CommandRule("high")), detector=of_one)
    assert [event.label for event in detections(events_of([linear16(samples)], ruled))] == ["low", "high", "low"]


def test_a_rule_names_the_only_keyword_to_report_and_its_threshold():
    config = SessionConfig(LINEAR16, commands=(CommandRule("high", threshold=0.3),))
    found = detections(events_of([linear16(UTTERANCES)], config))
    assert {event.label for event in found} == {"high"}
    assert {event.threshold for event in found} == {0.3}


def test_a_threshold_of_zero_is_not_taken_for_unset():
    config = SessionConfig(LINEAR16, commands=(CommandRule("high", threshold=0.0),))
    found = detections(events_of([linear16(UTTERANCES[20_000:38_000])], config))
    assert [event.threshold for event in found] == [0.0]


@pytest.mark.parametrize("label", ["_unknown_", "_silence_", "middle"])
def test_a_rule_for_what_is_no_keyword_is_refused_and_lists_the_keywords(label):
    with pytest.raises(UnknownLabelError, match="low, high"):
        open_session(PitchScorer(), SessionConfig(LINEAR16, commands=(CommandRule(label),)))


def test_two_rules_for_one_keyword_are_refused():
    with pytest.raises(ConfigError, match="twice"):
        open_session(PitchScorer(), SessionConfig(LINEAR16, commands=(CommandRule("low"), CommandRule("low"))))


def test_interims_are_reported_only_when_asked_for_and_change_no_detection():
    content = linear16(UTTERANCES)
    plain = events_of([content])
    chatty = events_of([content], SessionConfig(LINEAR16, interims=True))
    assert not any(isinstance(event, Interim) for event in plain)
    assert any(isinstance(event, Interim) for event in chatty)
    assert [event for event in chatty if not isinstance(event, Interim)] == plain


def test_very_long_speech_is_cut_and_goes_on_as_new_speech():
    config = SessionConfig(LINEAR16, endpointing=EndpointingSettings(max_speech_ms=2_000))
    events = events_of([linear16(tone(600, 80_000))], config)
    started = [event for event in events if isinstance(event, SpeechStarted)]
    ended = [event for event in events if isinstance(event, SpeechEnded)]
    assert len(started) == len(ended) == 3
    assert [event.start_sample for event in started[1:]] == [event.end_sample for event in ended[:-1]]


def test_event_ids_are_unique_within_a_stream():
    ids = [event.event_id for event in detections(events_of([linear16(UTTERANCES)]))]
    assert len(set(ids)) == len(ids) == 4


def test_the_buffer_of_a_long_stream_stays_small():
    session = open_session(PitchScorer())
    chunk = linear16(np.concatenate([tone(600, 48_000), quiet(16_000)]))
    for _ in range(20):
        session.receive(chunk)
        while (request := session.next_request()) is not None:
            is_activity = isinstance(request, ActivityRequest)
            session.resolve(
                request,
                LoudnessActivity().probabilities(request) if is_activity else PitchScorer().score(request.windows),
            )
    assert session._segmenter._buffer._store.nbytes < 300_000
    assert session.num_samples_processed == session.num_samples_received == 20 * 64_000


def test_audio_after_the_end_is_refused():
    session = open_session(PitchScorer())
    session.end()
    with pytest.raises(SessionGrammarError, match="after the end"):
        session.receive(b"\0\0")
    with pytest.raises(SessionGrammarError, match="already"):
        session.end()


def test_an_end_inside_a_value_is_refused():
    session = open_session(PitchScorer())
    session.receive(b"\0\0\0")
    with pytest.raises(UnreadableAudioError, match="inside a value"):
        session.end()


def test_requests_are_answered_one_at_a_time_and_with_the_right_shape():
    session = open_session(PitchScorer())
    session.receive(linear16(np.concatenate([tone(250, 5_120), quiet(8_192)])))
    first = session.next_request()
    with pytest.raises(SessionGrammarError, match="not resolved"):
        session.next_request()
    with pytest.raises(SessionGrammarError, match="outstanding"):
        session.resolve(ActivityRequest(first.frames), LoudnessActivity().probabilities(first))
    with pytest.raises(SessionGrammarError, match="one probability per frame"):
        session.resolve(first, np.zeros((1, 4), np.float32))
    session.resolve(first, LoudnessActivity().probabilities(first))
    second = session.next_request()
    assert isinstance(second, ScoreRequest)
    with pytest.raises(SessionGrammarError, match="shape"):
        session.resolve(second, np.zeros((1, 3), np.float32))
    session.resolve(second, PitchScorer().score(second.windows))
    assert session.next_request() is None


def test_events_are_immutable():
    event = detections(events_of([linear16(UTTERANCES)]))[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.label = "other"


def test_inside_long_speech_a_word_must_be_surer_than_alone():
    config = SessionConfig(LINEAR16, commands=(CommandRule("low", threshold=0.9),))
    alone = np.concatenate([quiet(8_000), tone(250, 8_000), quiet(8_000)])
    inside = np.concatenate([quiet(8_000), tone(600, 20_000), tone(250, 25_000), tone(600, 9_000), quiet(8_000)])
    for caution, expected in ((0.0, 0.9), (1.0, pytest.approx(0.9607, abs=1e-4))):
        cautious = dataclasses.replace(config, detector=DetectorSettings(long_speech_caution=caution))
        assert [event.threshold for event in detections(events_of([linear16(alone)], cautious))] == [0.9]
        assert [event.threshold for event in detections(events_of([linear16(inside)], cautious))] == [expected]
    too_cautious = dataclasses.replace(config, detector=DetectorSettings(long_speech_caution=5.0))
    assert len(detections(events_of([linear16(alone)], too_cautious))) == 1
    assert detections(events_of([linear16(inside)], too_cautious)) == []
