"""What is said of a clip as a whole never contradicts its detections."""

from __future__ import annotations

import numpy as np

from speechtune.audio.placement import place_by_energy
from speechtune.streaming.clip_scores import clip_posteriors
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.decision import WindowScored
from speechtune.streaming.driver import run_session
from speechtune.streaming.events import Detection, SpeechStarted
from speechtune.streaming.session import Session
from speechtune.streaming.windows import Span
from tests.support.streaming import LINEAR16, LoudnessActivity, PitchScorer, linear16, quiet, tone


def recognised(clip):
    scorer, journal = PitchScorer(), []
    session = Session(SessionConfig(LINEAR16), scorer.labels, scorer.thresholds, 16_000, journal=journal)
    events = run_session(session, scorer, LoudnessActivity(), [linear16(clip)])
    detections = [event for event in events if isinstance(event, Detection)]
    whole = scorer.score(place_by_energy(clip, 16_000)[None])[0]
    return whole, detections, journal, clip_posteriors(whole, detections, journal, scorer.labels)


def test_noise_that_moves_the_window_moves_no_score():
    rumble = 0.9 * np.sin(2 * np.pi * 30 * np.arange(2_000) / 16_000).astype(np.float32)
    whole, detections, journal, posteriors = recognised(
        np.concatenate([quiet(4_000), tone(250, 6_000, 0.2), quiet(16_000), rumble, quiet(8_000)])
    )
    assert [detection.label for detection in detections] == ["low"]
    assert whole.argmax() != 0
    windows = [step for step in journal if isinstance(step, WindowScored)]
    assert posteriors[0] == np.float32(detections[0].confidence)
    np.testing.assert_array_equal(posteriors, windows[0].posteriors)


def test_ordinary_clips_and_clips_without_a_word_are_scored_as_a_whole():
    for clip in (
        np.concatenate([quiet(4_000), tone(1_000, 6_000), quiet(6_000)]),
        np.concatenate([quiet(4_000), tone(600, 6_000), quiet(6_000)]),
        quiet(9_000),
    ):
        whole, _, _, posteriors = recognised(clip)
        assert posteriors is whole


def scored_in_two_windows(whole, detected):
    """The posteriors of a clip whose one detection, of `low`, was made in another window."""
    labels, span = PitchScorer().labels, Span(0, 16_000, 16_000)
    detection = Detection("1-low", "low", detected[0], 0.3, -0.1, 0, 16_000, 16_000, ())
    journal = [WindowScored(span, True, np.array(detected, np.float32))]
    return clip_posteriors(np.array(whole, np.float32), [detection], journal, labels).tolist()


def test_a_keyword_that_a_low_threshold_detects_is_the_best_keyword_of_the_scores_too():
    detected = np.array([0.4, 0.1, 0.5, 0.0], np.float32).tolist()
    assert scored_in_two_windows([0.1, 0.6, 0.3, 0.0], detected) == detected
    agreeing = np.array([0.35, 0.1, 0.55, 0.0], np.float32).tolist()
    assert scored_in_two_windows(agreeing, detected) == agreeing


def test_a_pop_is_no_word():
    from speechtune.streaming.voice.activity import SileroActivity

    pop = np.concatenate([quiet(9_600), np.array([0.9, -0.7, 0.4], np.float32), quiet(12_000)])
    scorer = PitchScorer()
    session = Session(SessionConfig(LINEAR16), scorer.labels, scorer.thresholds, 16_000)
    events = list(run_session(session, scorer, SileroActivity(), [linear16(pop)]))
    assert not [event for event in events if isinstance(event, SpeechStarted | Detection)]
