"""Bluetooth's late start, clicks and offsets: named, and no pop is taken for a part of the word."""

from __future__ import annotations

import numpy as np
import pytest

from speechtune.audio.clicks import end_of_pop, find_clicks, late_start
from speechtune.audio.placement import energy_centre, place_by_energy
from speechtune.audio.sound_faults import SoundLimits, find_sound_faults, sound_properties
from tests.support.clips import word_like

WORD = word_like(4, 16_000)


def bluetooth(pop=0.6, pop_samples=1, word=WORD[5_000:]):
    """0.6 s of exact zeros, a pop, then a word whose beginning is lost."""
    start = np.zeros(9_600 + 400, np.float32)
    start[9_600 : 9_600 + pop_samples] = pop
    return np.concatenate([start, word])


def kinds(samples):
    return [fault.kind for fault in find_sound_faults(sound_properties(samples), SoundLimits())]


def test_a_late_start_is_named_and_its_pop_is_not_called_a_click():
    faults = find_sound_faults(sound_properties(bluetooth()), SoundLimits())
    assert [fault.kind for fault in faults if fault.kind in ("late_start", "clicks")] == ["late_start"]
    assert "0.60 s of exact zeros, then sound at once" in next(f.detail for f in faults if f.kind == "late_start")


def test_a_late_start_without_a_pop_is_named_too():
    assert "late_start" in kinds(np.concatenate([np.zeros(9_600, np.float32), WORD[6_000:]]))


@pytest.mark.parametrize("pop_samples", [1, 3, 8])
def test_the_window_of_a_clip_is_that_of_its_word(pop_samples):
    clip = bluetooth(pop_samples=pop_samples)
    assert late_start(clip) == 9_600
    assert 9_600 < end_of_pop(clip) <= 10_000
    window = place_by_energy(clip, 16_000)
    np.testing.assert_array_equal(window, place_by_energy(clip[end_of_pop(clip) :], 16_000))
    assert np.abs(window).max() < 0.5
    assert abs(energy_centre(window) - 8_000) < 100


@pytest.mark.parametrize("lead", [0, 800, 9_600])
def test_ordinary_clips_are_placed_as_ever(lead):
    clip = np.concatenate([np.zeros(lead, np.float32), WORD])
    assert end_of_pop(clip) == 0
    start = energy_centre(clip) - 8_000
    expected = np.pad(clip, (max(-start, 0), 16_000))[max(start, 0) :][:16_000]
    np.testing.assert_array_equal(place_by_energy(clip, 16_000), expected)
    assert not {"late_start", "clicks", "offset"}.intersection(kinds(clip))


def test_silence_alone_is_no_late_start():
    assert late_start(np.zeros(16_000, np.float32)) == 0
    assert kinds(np.zeros(16_000, np.float32)) == ["silent"]


@pytest.mark.parametrize("place", [2_000, 7_000, 14_000])
def test_a_click_is_named_with_its_place(place):
    clicked = WORD.copy()
    clicked[place] += 0.6
    assert abs(find_clicks(clicked) - place).max() <= 1
    (fault,) = [
        fault for fault in find_sound_faults(sound_properties(clicked), SoundLimits()) if fault.kind == "clicks"
    ]
    assert fault.detail == f"a click at {place / 16_000:.2f} s"
    clicked[[500, 15_500]] += 0.6
    assert "3 clicks, the first at 0.03 s" in [
        fault.detail for fault in find_sound_faults(sound_properties(clicked), SoundLimits())
    ]


@pytest.mark.parametrize("offset", [0.3, -0.3])
def test_an_offset_of_a_third_is_named_in_figures(offset):
    (fault,) = [
        fault
        for fault in find_sound_faults(sound_properties(WORD + np.float32(offset)), SoundLimits())
        if fault.kind == "offset"
    ]
    assert f"{offset:+.2f}" in fault.detail
    assert "offset" not in kinds(WORD + np.float32(0.02))
