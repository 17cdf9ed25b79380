"""What a recorder and an inspection say of one recording."""

import numpy as np
import pytest

from speechtune.audio.files import read_audio
from speechtune.audio.sound_faults import SoundLimits, find_sound_faults, sound_notes, sound_properties
from tests.support.clips import word_like
from tests.support.speech import SPEECH_FOLDER, needs_speech


def kinds(samples: np.ndarray, **options: int) -> set[str]:
    return {
        fault.kind
        for fault in find_sound_faults(sound_properties(samples.astype(np.float32)), SoundLimits(), **options)
    }


def test_a_good_recording_has_no_faults():
    assert all(kinds(word_like(seed)) == set() for seed in range(20))


@pytest.mark.parametrize("num_samples", [1, 16_000])
def test_silence_is_only_silent(num_samples):
    assert kinds(np.zeros(num_samples)) == {"silent"}


def test_each_planted_fault_is_found():
    good = word_like(7)
    rng = np.random.default_rng(0)
    assert kinds(0.1 * rng.standard_normal(16_000)) == {"no_speech"}
    assert kinds((good + 0.02 * rng.standard_normal(len(good))) * 0.005) == {"quiet"}
    assert kinds(np.clip(4 * good, -0.5, 0.5)) == {"clipped"}
    assert kinds(good[6_000:]) == {"cut_off_start"}
    assert kinds(good[:6_000]) == {"cut_off_end"}
    assert kinds(np.tile(good, 8)) == {"too_long"}
    assert kinds(good[6_000:6_800]) >= {"too_short"}
    assert kinds(good + 0.055 * rng.standard_normal(len(good))) == {"noisy"}


def notes(samples: np.ndarray) -> tuple[str, ...]:
    return sound_notes(sound_properties(samples.astype(np.float32)), SoundLimits())


def test_quiet_speech_that_is_clear_of_its_noise_is_noted_and_no_fault():
    rng = np.random.default_rng(0)
    quiet = word_like(7) * (10.0 ** (-45.0 / 20.0) / np.abs(word_like(7)).max())
    assert kinds(quiet) == set()
    (note,) = notes(quiet)
    assert note.startswith("quiet, but clear of its noise")
    near = quiet + 0.07 * np.abs(quiet).max() * rng.standard_normal(len(quiet))
    assert kinds(near) == {"quiet"}
    assert notes(near) == notes(word_like(7)) == notes(np.zeros(16_000)) == ()


def test_what_is_nearly_silent_is_rejected_however_clear_it_is():
    assert kinds(word_like(7) * 0.002) == {"silent"}


def test_a_limit_of_the_length_may_be_given_for_a_clip():
    long = np.tile(word_like(7), 8)
    assert kinds(long, max_ms=10_000) == set()
    assert kinds(word_like(7), max_ms=500) == {"too_long"}


def test_a_fault_says_its_figures():
    (fault,) = find_sound_faults(sound_properties(word_like(7)[6_000:]), SoundLimits())
    assert "first 5 ms are as loud as speech" in fault.detail


@needs_speech
def test_real_recordings_cut_in_the_middle_of_the_word_are_found_and_whole_ones_left_in_peace():
    paths = sorted((SPEECH_FOLDER / "speech_commands_fewshot").glob("*/*.flac"))
    clips = [read_audio(path) for path in paths]
    accused = sum(bool(kinds(samples)) for samples in clips)
    assert accused / len(clips) <= 0.05
    halves = [samples[len(samples) // 2 :] for samples in clips if not kinds(samples)]
    found = sum("cut_off_start" in kinds(half) for half in halves)
    assert found / len(halves) >= 0.5  # many words lie before or after the middle of their clip


def test_an_offset_that_nobody_hears_changes_nothing():
    good = word_like(7)
    assert kinds(good + 0.3) - {"offset"} == kinds(good) == set()
    assert kinds(good[6_000:] + 0.3) == {"offset", "cut_off_start"}


def test_a_word_that_fills_its_clip_is_neither_noise_nor_noisy():
    word = word_like(7)[2_500:8_000]
    rising = (word * np.linspace(0.6, 1.0, len(word))).astype(np.float32)
    measures = sound_properties(rising)
    assert measures.speech_dbfs is not None
    assert not kinds(rising) & {"no_speech", "noisy", "too_short"}


@needs_speech
def test_real_digits_cut_close_are_seldom_accused_and_real_noise_is_no_speech():
    digits = [read_audio(path) for path in sorted((SPEECH_FOLDER / "fsdd").glob("*/theo_*.flac"))]
    assert sum(bool(kinds(samples)) for samples in digits) / len(digits) <= 0.05
    silences = sorted((SPEECH_FOLDER / "speech_commands_dev" / "_silence_").glob("*.flac"))
    heard = [sound_properties(read_audio(path)).speech_dbfs is None for path in silences]
    assert sum(heard) / len(heard) > 0.75
