"""Silence costs no model, and what costs nothing changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.streaming.driver import advance
from speechtune.streaming.voice.activity import FRAME_SAMPLES
from speechtune.streaming.voice.quiet_gate import NUM_LISTENED, QUIET_PEAK, QuietGate
from tests.support.streaming import LoudnessActivity, PitchScorer, linear16, open_session, quiet, tone


def peaks_of(pattern):
    """The peak of a frame per character: L is loud, q is quiet."""
    peaks = [2 * QUIET_PEAK if character == "L" else QUIET_PEAK / 2 for character in pattern]
    return np.array(peaks, dtype=np.float32)


def walk(gate, peaks):
    """What becomes of each frame: heard (h) or skipped (s)."""
    fates = ""
    while len(fates) < len(peaks):
        skipped = gate.num_skipped(peaks[len(fates) :])
        fates += "s" * skipped
        if len(fates) < len(peaks) and not skipped:
            fates += "h" * gate.num_heard(peaks[len(fates) :])
    return fates


def test_silence_is_skipped_from_the_start_and_after_some_that_is_heard():
    pattern = "qq" + "LL" + "q" * (NUM_LISTENED + 3) + "L"
    assert walk(QuietGate(), peaks_of(pattern)) == "ss" + "hh" + "h" * NUM_LISTENED + "sss" + "h"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("Lq"), st.integers(1, 15)), max_size=8), st.lists(st.integers(1, 20)))
def test_the_fate_of_a_frame_does_not_depend_on_the_cuts(runs, lengths):
    peaks = peaks_of("".join(character * number for character, number in runs))
    gate, fates, start = QuietGate(), "", 0
    for length in [*lengths, len(peaks)]:
        fates += walk(gate, peaks[start : start + length])
        start = min(start + length, len(peaks))
    assert fates == walk(QuietGate(), peaks)


@pytest.mark.parametrize("num_steps", [0, 1, 2])
def test_digital_silence_and_the_dither_of_16_bits_ask_no_model(num_steps):
    activity, session = CountingActivity(), open_session(PitchScorer())
    steps = np.random.default_rng(0).integers(-num_steps, num_steps + 1, 160_000)
    session.receive(steps.astype("<i2").tobytes())
    assert advance(session, PitchScorer(), activity) == []
    assert activity.num_frames == 0


class CountingActivity(LoudnessActivity):
    num_frames = 0

    def probabilities(self, request):
        self.num_frames += len(request.frames)
        return super().probabilities(request)


def test_an_idle_stream_asks_no_model():
    activity, session = CountingActivity(), open_session(PitchScorer())
    session.receive(linear16(quiet(160_000)))
    assert advance(session, PitchScorer(), activity) == []
    assert activity.num_frames == 0
    assert session.num_samples_processed == 160_000 // FRAME_SAMPLES * FRAME_SAMPLES
    session.receive(linear16(np.concatenate([tone(250, 6_000), quiet(32_000)])))
    events = advance(session, PitchScorer(), activity)
    assert [type(event).__name__ for event in events] == ["SpeechStarted", "SpeechEnded", "Detection"]
    assert activity.num_frames < (6_000 + (NUM_LISTENED + 2) * FRAME_SAMPLES) / FRAME_SAMPLES
