"""Levels against physics and against librosa."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.levels import (
    FLOOR_DBFS,
    active_range,
    active_speech_dbfs,
    bandwidth_hz,
    clipped_fraction,
    clipped_seconds,
    frame_levels_dbfs,
    peak_dbfs,
    rms_dbfs,
    snr_db,
)
from speechtune.audio.resample import resample
from tests.support.clips import word_like


def tone(num_samples: int = 16_000, hertz: float = 440.0, level: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(num_samples) / 16_000)).astype(np.float32)


def test_a_full_scale_sine_is_three_decibels_below_its_peak():
    assert rms_dbfs(tone()) == pytest.approx(-3.01, abs=0.01)
    assert peak_dbfs(tone()) == pytest.approx(0.0, abs=0.01)


@settings(deadline=None)
@given(gain_db=st.floats(-40, 0), seed=st.integers(0, 1000))
def test_a_gain_moves_every_level_by_itself(gain_db: float, seed: int):
    before = word_like(seed)
    after = (before * 10 ** (gain_db / 20)).astype(np.float32)
    for measure in (rms_dbfs, peak_dbfs, active_speech_dbfs):
        assert measure(after) - measure(before) == pytest.approx(gain_db, abs=0.01)
    assert snr_db(after) == pytest.approx(snr_db(before), abs=0.05)
    assert clipped_fraction(after) == pytest.approx(clipped_fraction(before), abs=1e-3)


@pytest.mark.parametrize("num_samples", [1, 2, 319, 320, 321, 16_000])
def test_digital_silence_is_at_the_floor_and_holds_no_speech(num_samples):
    silence = np.zeros(num_samples, dtype=np.float32)
    assert rms_dbfs(silence) == peak_dbfs(silence) == FLOOR_DBFS
    assert active_speech_dbfs(silence) is None
    assert active_range(silence) is None
    assert snr_db(silence) is None
    assert bandwidth_hz(silence) is None
    assert clipped_fraction(silence) == 0.0


@pytest.mark.parametrize("num_samples", [1, 2, 319, 320, 321, 2_000])
def test_frames_cover_every_sample_and_add_up_to_the_whole(num_samples):
    samples = word_like(1, num_samples)
    levels = frame_levels_dbfs(samples)
    assert len(levels) == -(-num_samples // 320)
    lengths = np.minimum(320, num_samples - 320 * np.arange(len(levels)))
    whole = np.average(10 ** (levels / 10), weights=lengths)
    assert 10 * np.log10(whole) == pytest.approx(rms_dbfs(samples), abs=0.01)


@pytest.mark.parametrize("snr", [10.0, 20.0, 30.0, 40.0])
def test_the_estimated_snr_is_the_one_that_was_mixed(snr):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(32_000)
    speech = np.zeros(32_000)
    speech[8_000:20_000] = tone(12_000, level=0.3)
    gain = 10 ** ((rms_dbfs(speech[8_000:20_000].astype(np.float32)) - rms_dbfs(noise.astype(np.float32)) - snr) / 20)
    assert snr_db((speech + gain * noise).astype(np.float32)) == pytest.approx(snr, abs=1.0)


def test_steady_noise_holds_no_speech():
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    assert active_speech_dbfs(0.1 * noise) is None


def test_the_active_range_is_where_the_word_is():
    samples = np.zeros(16_000, dtype=np.float32)
    samples[6_400:9_600] = tone(3_200)
    assert active_range(samples) == (6_400, 9_600)


@pytest.mark.parametrize("level", [1.0, 0.25, 0.01])
def test_clipping_is_seen_at_any_level(level):
    clean = word_like(4, level=0.9)
    clipped = np.clip(3 * clean, -0.9, 0.9) * np.float32(level)
    assert clipped_fraction(clipped) > 0.005
    assert clipped_fraction(clean * np.float32(level)) < 0.001


def test_a_single_full_scale_sample_is_not_clipping():
    samples = word_like(4)
    samples[100] = 1.0
    assert clipped_fraction(samples) == 0.0


def test_a_recording_made_at_8_khz_ends_at_4_khz():
    rng = np.random.default_rng(0)
    wide = rng.standard_normal(16_000).astype(np.float32)
    narrow = resample(rng.standard_normal(8_000).astype(np.float32), 8_000)
    assert bandwidth_hz(wide) > 7_900
    assert 3_500 < bandwidth_hz(narrow) < 4_100


@pytest.mark.parametrize("num_samples", [100, 512, 700, 12_000])
def test_the_bandwidth_agrees_with_librosas_spectrum(num_samples):
    librosa = pytest.importorskip("librosa")
    samples = word_like(5, num_samples)
    padded = np.pad(samples, (0, max(512 - num_samples, 0)))
    spectrum = librosa.stft(padded, n_fft=512, hop_length=256, center=False, window=np.hanning(512))
    power = np.mean(np.abs(spectrum) ** 2, axis=1)
    highest = np.flatnonzero(power >= 1e-6 * power.max())[-1]
    assert bandwidth_hz(samples) == pytest.approx(librosa.fft_frequencies(sr=16_000, n_fft=512)[highest], abs=32)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_clipping_is_measured_before_it_is_resampled_away(rate_hz):
    loud = np.clip(3.0 * word_like(4, rate_hz, level=0.9), -0.9, 0.9).astype(np.float32)
    blocks = [loud[start : start + 999] for start in range(0, rate_hz, 999)]
    assert clipped_fraction(resample(loud, rate_hz)) < 0.001
    assert clipped_seconds(blocks, rate_hz) > 0.005
    assert clipped_seconds([], rate_hz) == 0.0
