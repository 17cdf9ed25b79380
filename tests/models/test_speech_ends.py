"""Where a take ends, whatever the level of the microphone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.models.speech_ends import ActivitySpeechFinder
from tests.support.streaming import LoudnessActivity, quiet, tone

TAKE = np.concatenate([quiet(8_000), tone(250, 8_000), quiet(16_000)])


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_a_take_is_found_at_any_level(gain):
    finder = ActivitySpeechFinder(LoudnessActivity())
    stretch = finder.receive(TAKE * np.float32(gain))
    assert stretch is not None
    assert stretch.start_sample == pytest.approx(8_000, abs=512)
    assert stretch.end_sample == pytest.approx(16_000, abs=512)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 32_000), max_size=8, unique=True))
def test_it_does_not_depend_on_the_cuts(places):
    whole = ActivitySpeechFinder(LoudnessActivity()).receive(TAKE * np.float32(0.01))
    finder = ActivitySpeechFinder(LoudnessActivity())
    found = [finder.receive(part) for part in np.split(TAKE * np.float32(0.01), sorted(places))]
    assert next((stretch for stretch in found if stretch is not None), None) == whole


def test_a_new_take_begins_at_the_largest_gain_again():
    finder = ActivitySpeechFinder(LoudnessActivity())
    assert finder.receive(TAKE) is not None
    finder.restart()
    assert finder.receive(TAKE * np.float32(0.01)) is not None
