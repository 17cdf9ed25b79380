"""Quiet microphones: amplified for voice activity and for nothing else, the same however the audio is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.files import read_audio
from speechtune.streaming.driver import advance, run_session
from speechtune.streaming.events import Detection, SpeechStarted
from speechtune.streaming.voice.activity import ActivityRequest, SileroActivity
from speechtune.streaming.voice.speech_gain import MAX_GAIN_DB, TARGET_DBFS, SpeechGain, amplified, brought_up
from tests.support.speech import SPEECH_FOLDER, needs_speech
from tests.support.streaming import (
    FRAME,
    LoudnessActivity,
    PitchScorer,
    cut,
    events_of,
    linear16,
    open_session,
    quiet,
    tone,
)

FRAMES_A_SECOND = 16_000 / FRAME


def peak_at(dbfs):
    return 10.0 ** (dbfs / 20.0)


def gains_at(*peaks_dbfs):
    return SpeechGain().follow([peak_at(peak) for peak in peaks_dbfs])


def test_a_stream_begins_at_the_largest_gain_and_no_more_is_ever_given():
    assert gains_at(-120.0, -90.0, -70.0) == pytest.approx([MAX_GAIN_DB] * 3)


def test_the_gain_falls_at_once_so_that_no_frame_is_louder_than_the_target_or_than_it_was():
    assert gains_at(-70.0, -40.0, -50.0)[1] == pytest.approx(TARGET_DBFS + 40.0)
    assert gains_at(-70.0, -3.0)[1] == 0.0


def test_the_gain_rises_by_three_decibels_a_second_after_a_sound_that_lasted():
    gains = gains_at(*[-50.0] * 3, *[-90.0] * round(3 * FRAMES_A_SECOND))[3:]
    assert gains[-1] == pytest.approx(TARGET_DBFS + 50.0 + 9.0, abs=0.2)
    assert np.all(np.diff(gains) > 0.0)


def test_a_click_turns_its_own_frames_down_and_none_after_them():
    assert gains_at(-70.0, -10.0, -10.0, -70.0) == pytest.approx([MAX_GAIN_DB, 0.0, 0.0, MAX_GAIN_DB])
    assert gains_at(-70.0, -10.0, -10.0, -10.0, -70.0)[-1] < 1.0


@given(st.lists(st.floats(-60.0, 0.0), max_size=60), st.floats(-15.0, 0.0))
def test_streams_that_differ_in_level_alone_are_amplified_to_the_same(below_loudest_db, softer_db):
    loud = [*[-40.0] * 3, *(-40.0 + below for below in below_loudest_db)]
    soft = [peak + softer_db for peak in loud]
    assert np.array(soft) + gains_at(*soft) == pytest.approx(np.array(loud) + gains_at(*loud), abs=1e-6)


@given(st.lists(st.floats(0.0, 1.0), max_size=80), st.integers(0, 80))
def test_the_gains_do_not_depend_on_the_cuts(peaks, cut_at):
    gain = SpeechGain()
    assert [*gain.follow(peaks[:cut_at]), *gain.follow(peaks[cut_at:])] == SpeechGain().follow(peaks)


def test_frames_without_gain_are_passed_on_as_they_are():
    frames = np.ones((2, FRAME), dtype=np.float32)
    assert amplified(frames, [0.0, 0.0]) is frames
    assert amplified(frames, [20.0, 0.0])[:, 0].tolist() == pytest.approx([10.0, 1.0])
    assert amplified(frames, [20.0, 0.0]).dtype == np.float32


WORDS = np.concatenate(
    [quiet(9_000), tone(250, 6_000), quiet(12_000), tone(1000, 5_000), quiet(12_000), tone(600, 30_000), quiet(8_000)]
)


def places(events):
    return [(event.start_sample, event.end_sample) for event in events if isinstance(event, Detection)]


@pytest.mark.parametrize("peak_dbfs", [-30.0, -45.0, -55.0])
def test_words_of_a_quiet_microphone_begin_and_end_where_loud_ones_do(peak_dbfs):
    found = events_of([linear16(WORDS * (peak_at(peak_dbfs) / 0.3))])
    loud = events_of([linear16(WORDS)])
    assert [event.label for event in found if isinstance(event, Detection)] == ["low", "high"]
    assert places(found) == places(loud)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 40_000), max_size=30), st.sampled_from([0.3, 0.01, 0.003]))
def test_events_of_a_quiet_stream_do_not_depend_on_how_the_bytes_are_cut(lengths, peak):
    content = linear16(WORDS * (peak / 0.3))
    assert events_of(cut(content, lengths)) == events_of([content])


class RecordingScorer(PitchScorer):
    """Keeps the largest amplitude of every window."""

    def score(self, windows):
        self.peaks = [*getattr(self, "peaks", []), *np.abs(windows).max(axis=1).tolist()]
        return super().score(windows)


@pytest.mark.parametrize(
    ("peak", "scored"),
    [(0.3, 0.3), (0.06, 0.06), (0.003, peak_at(TARGET_DBFS)), (0.0006, 0.0006 * peak_at(MAX_GAIN_DB))],
)
def test_only_quiet_windows_are_amplified_before_they_are_scored(peak, scored):
    scorer = RecordingScorer()
    events_of([linear16(WORDS * (peak / 0.3))], scorer=scorer)
    assert scorer.peaks == pytest.approx([scored] * len(scorer.peaks), rel=0.05)
    assert len(scorer.peaks) >= 3


def test_windows_of_digital_silence_stay_so():
    assert not brought_up(np.zeros((2, 16_000), dtype=np.float32)).any()


class LevelActivity(LoudnessActivity):
    """Keeps the peak of every frame that it is asked of."""

    def __init__(self):
        self.peaks = []

    def probabilities(self, request: ActivityRequest):
        self.peaks += np.abs(request.frames).max(axis=1).tolist()
        return super().probabilities(request)


@pytest.mark.parametrize("order", ["flush", "reset"])
def test_after_a_flush_or_a_reset_a_quiet_word_is_amplified_as_at_the_beginning(order):
    activity, scorer = LevelActivity(), PitchScorer()
    session = open_session(scorer)
    session.receive(linear16(tone(600, 16_000)))
    advance(session, scorer, activity)
    getattr(session, order)()
    advance(session, scorer, activity)
    num_before = len(activity.peaks)
    session.receive(linear16(tone(250, 8_192, 0.003)))
    advance(session, scorer, activity)
    assert activity.peaks[num_before:] == pytest.approx([peak_at(TARGET_DBFS)] * 16, rel=0.02)


@needs_speech
def test_real_words_are_heard_at_fifty_decibels_below_full_scale_and_real_noise_there_is_not():
    activity, scorer = SileroActivity(), PitchScorer()

    def num_stretches(samples):
        events = run_session(open_session(scorer), scorer, activity, [linear16(samples)])
        return sum(isinstance(event, SpeechStarted) for event in events)

    def at_fifty(path):
        samples = read_audio(path, max_seconds=120.0)
        return samples * (peak_at(-50.0) / np.abs(samples).max())

    words = sorted((SPEECH_FOLDER / "speech_commands_fewshot").glob("*/*.flac"))[::5]
    assert sum(num_stretches(at_fifty(path)) > 0 for path in words) >= 0.97 * len(words)
    for name in ("white_noise", "pink_noise"):
        assert num_stretches(at_fifty(SPEECH_FOLDER / "noise" / f"{name}.flac")) == 0
