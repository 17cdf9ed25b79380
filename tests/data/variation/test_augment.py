"""Augmentation obeys physics, and the same random state gives the same copy."""

from __future__ import annotations

import numpy as np
import pytest

from speechtune.data.variation.augment import (
    add_noise,
    augmented_window,
    change_gain,
    change_speed,
    coloured_noise,
    noise_crop,
    silence_window,
    small_room,
    speech_power,
)
from speechtune.recipe import AugmentSettings
from tests.support.clips import word_like


def tone(hz: float = 500.0, num_samples: int = 16_000) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(num_samples) / 16_000)).astype(np.float32)


@pytest.mark.parametrize("factor", [0.5, 0.87, 1.0, 1.13, 2.0])
def test_speed_shortens_and_raises_the_pitch_by_the_same_factor(factor: float) -> None:
    faster = change_speed(tone(), factor)
    assert len(faster) == pytest.approx(16_000 / factor, abs=2)
    spectrum = np.abs(np.fft.rfft(faster * np.hanning(len(faster))))
    assert spectrum.argmax() * 16_000 / len(faster) == pytest.approx(500 * factor, rel=0.01)


@pytest.mark.parametrize("gain_db", [-12.0, 0.0, 6.0])
def test_gain_is_what_it_says(gain_db: float) -> None:
    ratio = np.abs(change_gain(tone(), gain_db)).max() / 0.3
    assert 20 * np.log10(ratio) == pytest.approx(gain_db, abs=0.01)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
def test_mixing_hits_the_asked_ratio_and_takes_off_an_offset(snr_db: float) -> None:
    noise = 0.2 + np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    added = add_noise(tone(), noise, snr_db) - tone()
    assert 10 * np.log10(speech_power(tone()) / np.square(added).mean()) == pytest.approx(snr_db, abs=0.05)
    assert abs(added.mean()) < 1e-3


def test_the_level_of_a_word_does_not_depend_on_the_pause_around_it() -> None:
    word = tone(num_samples=8_000)
    padded = np.pad(word, 20_000)
    assert speech_power(padded) == pytest.approx(speech_power(word), rel=0.02)


def test_silence_takes_no_noise_since_no_ratio_is_defined() -> None:
    silence = np.zeros(1_000, dtype=np.float32)
    assert np.array_equal(add_noise(silence, np.ones(1_000, dtype=np.float32), 10.0), silence)
    assert np.array_equal(add_noise(tone(), np.zeros(16_000, dtype=np.float32), 10.0), tone())


def test_a_room_adds_a_tail_behind_the_sound_and_nothing_before_it() -> None:
    click = np.zeros(8_000, dtype=np.float32)
    click[2_000] = 1.0
    heard = small_room(click, np.random.default_rng(0))
    assert np.abs(heard[:2_000]).max() < 1e-6
    assert heard[2_000] == pytest.approx(1.0, abs=1e-5)
    tail = np.square(heard[2_001:])
    assert 0.005 < tail.sum() < 0.17
    assert tail[:1_000].sum() > tail[2_000:3_000].sum()


def test_coloured_noise_has_unit_power_and_falls_towards_high_frequencies() -> None:
    for seed in range(5):
        noise = coloured_noise(16_000, np.random.default_rng(seed))
        assert noise.std() == pytest.approx(1.0, abs=1e-3)
        power = np.abs(np.fft.rfft(noise)) ** 2
        assert power[10:1_000].mean() > 0.8 * power[5_000:8_000].mean()


def test_short_recordings_are_repeated() -> None:
    recording = np.arange(1, 11, dtype=np.float32)
    crops = [noise_crop([recording], 25, np.random.default_rng(seed)) for seed in range(20)]
    assert any(np.array_equal(crop, np.resize(recording, 25)) for crop in crops)
    assert {len(crop) for crop in crops} == {25}


def test_the_same_state_gives_the_same_copy_and_the_clip_stays_as_it_was() -> None:
    clip = word_like(1)
    before = clip.copy()
    copies = [
        augmented_window(
            clip, 16_000, AugmentSettings(), [word_like(2, 50_000)], np.random.default_rng(seed), changes_speed=True
        )
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(copies[0], copies[1])
    assert not np.array_equal(copies[0], copies[2])
    assert np.array_equal(clip, before)
    assert all(copy.shape == (16_000,) and copy.dtype == np.float32 for copy in copies)


def test_a_shifted_word_never_wraps_round() -> None:
    still = AugmentSettings(
        shift_ms=100, reverb_probability=0.0, noise_probability=0.0, gain_db=(0.0, 0.0), speed=(1.0, 1.0)
    )
    clip = tone(num_samples=4_000)
    for seed in range(30):
        window = augmented_window(clip, 16_000, still, [], np.random.default_rng(seed), changes_speed=True)
        loud = np.flatnonzero(window)
        assert loud[-1] - loud[0] < 4_000
        assert abs((loud[0] + loud[-1]) / 2 - 8_000) <= 1_600 + 250


def test_silence_windows_lie_between_their_levels() -> None:
    for seed in range(20):
        window = silence_window(16_000, [word_like(1, 30_000)], np.random.default_rng(seed))
        level = 10 * np.log10(np.square(window, dtype=np.float64).mean())
        assert -70.5 < level < -14.5


def only(**settings: object) -> AugmentSettings:
    """Settings in which nothing but what is named changes a clip."""
    still = {"reverb_probability": 0.0, "noise_probability": 0.0, "shift_ms": 0, "gain_db": (0.0, 0.0)}
    return AugmentSettings(**{**still, "speed": (1.0, 1.0), **settings})


@pytest.mark.parametrize(
    "settings", [{"channel_probability": 1.0}, {"formants": 0.2}, {"reverb_probability": 1.0, "rooms": 3}]
)
def test_channels_formants_and_simulated_rooms_vary_copies_when_asked_for(settings: dict[str, object]) -> None:
    if "rooms" in settings:
        pytest.importorskip("pyroomacoustics", reason="rooms (extra 'rooms') are not installed")
    clip = word_like(1)

    def copy(seed: int, wanted: AugmentSettings) -> np.ndarray:
        return augmented_window(clip, 16_000, wanted, [], np.random.default_rng(seed), changes_speed=True)

    plain = copy(0, only())
    varied = [copy(seed, only(**settings)) for seed in range(8)]
    assert all(window.shape == plain.shape and window.dtype == np.float32 for window in varied)
    assert sum(not np.allclose(window, plain, atol=1e-3) for window in varied) >= 6
    assert len({window.tobytes() for window in varied}) >= 3
    assert np.array_equal(varied[3], copy(3, only(**settings)))
    # The word is still the word: its level hardly changes.
    levels = [10 * np.log10(np.square(window).mean() / np.square(plain).mean()) for window in varied]
    assert np.abs(levels).max() < 9.0


def test_what_is_off_draws_no_number() -> None:
    rng, before = np.random.default_rng(0), np.random.default_rng(0)
    augmented_window(word_like(1), 16_000, only(formants=0.0, rooms=5), [], rng, changes_speed=True)
    augmented_window(word_like(1), 16_000, only(), [], before, changes_speed=True)
    assert rng.random() == before.random()
