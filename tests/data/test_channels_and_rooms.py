"""Channels and rooms against physics."""

import numpy as np
import pytest

from speechtune.data.variation.channels import limit_band, mu_law, shift_formants, telephone, through_codec
from speechtune.data.variation.rooms import draw_room, reverberate
from speechtune.errors import ConfigError
from tests.support.clips import word_like


def tone(hz, level=0.5, num_samples=16_000):
    return (level * np.sin(2 * np.pi * hz * np.arange(num_samples) / 16_000)).astype(np.float32)


def power_db(samples):
    return 10 * np.log10(np.mean(np.square(samples[2_000:-2_000], dtype=np.float64)) + 1e-20)


@pytest.mark.parametrize(("hz", "kept"), [(100, False), (400, True), (1_000, True), (3_300, True), (3_600, False)])
def test_a_band_keeps_what_is_in_it_and_nothing_else(hz, kept):
    change = power_db(limit_band(tone(hz), 300, 3_400)) - power_db(tone(hz))
    assert abs(change) < 0.1 if kept else change < -40
    with pytest.raises(ConfigError, match="lower edge"):
        limit_band(tone(hz), 500, 400)


@pytest.mark.parametrize("level", [0.9, 0.1, 0.01])
def test_mu_law_has_about_the_same_noise_under_loud_and_soft_sounds(level):
    samples = tone(440, level)
    noise = mu_law(samples) - samples
    assert 28 < power_db(samples) - power_db(noise) < 42


def test_a_telephone_has_no_high_tones_and_keeps_length_and_place():
    speech = tone(1_000) + tone(6_000)
    heard = telephone(speech)
    assert heard.shape == speech.shape
    assert heard.dtype == np.float32
    assert abs(power_db(heard) - power_db(tone(1_000))) < 1.0
    lag = np.argmax(np.correlate(heard[4_000:8_000], tone(1_000)[4_000:8_000], "same")) - 2_000
    assert abs(lag) <= 1


@pytest.mark.parametrize("codec", ["opus", "vorbis", "mp3"])
def test_a_codec_keeps_the_sound_and_its_place(codec):
    samples = word_like(1)
    heard = through_codec(samples, codec, quality=0.9)
    assert heard.shape == samples.shape
    assert not np.array_equal(heard, samples)
    lags = np.correlate(np.pad(heard, 400), samples, "valid")
    assert abs(int(np.argmax(lags)) - 400) <= 40
    assert lags.max() > 0.85 * np.linalg.norm(heard) * np.linalg.norm(samples)
    with pytest.raises(ConfigError, match="0 to 1"):
        through_codec(samples, codec, quality=2.0)


def vowel(formant_hz, pitch_hz=125):
    time = np.arange(16_000) / 16_000
    harmonics = pitch_hz * np.arange(1, 60)
    levels = np.exp(-(((harmonics - formant_hz) / 400.0) ** 2)) + 1e-2
    return (0.1 * np.sin(2 * np.pi * harmonics[:, None] * time) * levels[:, None]).sum(axis=0).astype(np.float32)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_formants_move_and_pitch_stays(factor):
    moved = shift_formants(vowel(1_500), factor)
    spectrum = np.abs(np.fft.rfft(moved * np.hanning(len(moved))))
    centre = np.average(np.arange(len(spectrum)), weights=spectrum**2)
    assert centre == pytest.approx(1_500 * factor, rel=0.06)
    strongest = int(np.argmax(spectrum))
    assert abs(strongest / 125 - round(strongest / 125)) < 0.03  # still a harmonic of 125 Hz
    if factor == 1.0:
        assert np.allclose(moved[1_000:-1_000], vowel(1_500)[1_000:-1_000], atol=1e-4)


def test_rooms_follow_the_seed_begin_with_the_direct_sound_and_die_away():
    pytest.importorskip("pyroomacoustics")
    rooms = [draw_room(seed) for seed in range(4)]
    assert np.array_equal(rooms[0], draw_room(0))
    assert len({room.tobytes() for room in rooms}) == 4
    for room in rooms:
        assert room[0] == 1.0
        energy = np.cumsum(np.square(room[::-1]))[::-1]
        assert energy[min(8_000, len(room) - 1)] < 1e-2 * energy[0]


def test_a_room_of_one_echo_is_the_sum_of_two_and_silence_stays_silent():
    samples = word_like(1)
    echo = np.zeros(801, dtype=np.float32)
    echo[[0, 800]] = 1.0, 0.5
    expected = samples.copy()
    expected[800:] += 0.5 * samples[:-800]
    assert np.allclose(reverberate(samples, echo), expected, atol=1e-5)
    assert not reverberate(np.zeros(100, dtype=np.float32), echo).any()
