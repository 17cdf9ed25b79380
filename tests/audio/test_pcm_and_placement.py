"""PCM however it is cut, resampling against physics, and clips in their windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.pcm import PcmDecoder, PcmEncoding, PcmFormat
from speechtune.audio.placement import cut_window, energy_centre, place_by_energy
from speechtune.audio.resample import StreamResampler, resample
from speechtune.audio.timebase import ms_from_samples, samples_from_ms
from speechtune.errors import UnreadableAudioError, UnsupportedAudioError


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 40), max_size=30),
    st.integers(1, 3),
    st.sampled_from([PcmEncoding.LINEAR16, PcmEncoding.FLOAT32]),
)
def test_samples_do_not_depend_on_how_the_bytes_are_cut(
    lengths: list[int], channels: int, encoding: PcmEncoding
) -> None:
    scale = 1_000 if encoding is PcmEncoding.LINEAR16 else 1
    content = (np.random.default_rng(0).uniform(-1, 1, 300) * scale).astype(encoding.dtype).tobytes()
    pcm_format = PcmFormat(encoding, 16_000, channels)
    whole = PcmDecoder(pcm_format).decode(content)
    decoder, parts, start = PcmDecoder(pcm_format), [], 0
    for length in (*lengths, len(content)):
        parts.append(decoder.decode(content[start : start + length]))
        start += length
    assert np.array_equal(np.concatenate(parts), whole)


def test_full_scale_of_sixteen_bits_is_one() -> None:
    content = np.array([-32_768, 0, 16_384], dtype="<i2").tobytes()
    assert PcmDecoder(PcmFormat(PcmEncoding.LINEAR16, 16_000)).decode(content).tolist() == [-1.0, 0.0, 0.5]


@pytest.mark.parametrize("amplitude", [16.1, -20_000.0, 3.4e38])
def test_an_amplitude_of_another_scale_is_refused_with_what_to_do(amplitude: float) -> None:
    decoder = PcmDecoder(PcmFormat(PcmEncoding.FLOAT32, 16_000))
    assert len(decoder.decode(np.array([16.0, -16.0], dtype="<f4").tobytes())) == 2
    with pytest.raises(UnreadableAudioError, match="divide 16-bit values by 32768"):
        decoder.decode(np.array([0.1, amplitude], dtype="<f4").tobytes())


def test_a_float_that_is_no_number_is_refused() -> None:
    with pytest.raises(UnreadableAudioError, match="NaN"):
        PcmDecoder(PcmFormat(PcmEncoding.FLOAT32, 16_000)).decode(np.array([np.nan], dtype="<f4").tobytes())


@pytest.mark.parametrize(("rate_hz", "channels"), [(7_999, 1), (0, 1), (10**6, 1), (16_000, 0), (16_000, 99)])
def test_formats_outside_the_limits_are_refused(rate_hz: int, channels: int) -> None:
    with pytest.raises(UnsupportedAudioError):
        PcmFormat(PcmEncoding.LINEAR16, rate_hz, channels)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([8_000, 11_025, 44_100, 48_000]), st.lists(st.integers(0, 3_000), max_size=12))
def test_resampling_does_not_depend_on_the_cut(rate_hz: int, lengths: list[int]) -> None:
    samples = np.random.default_rng(1).standard_normal(12_000).astype(np.float32)
    stream, parts, start = StreamResampler(rate_hz), [], 0
    for length in lengths:
        parts.append(stream.process(samples[start : start + length]))
        start += length
    parts.append(stream.process(samples[start:], last=True))
    assert np.array_equal(np.concatenate(parts), resample(samples, rate_hz))


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_resampling_moves_no_sound_in_time(rate_hz: int) -> None:
    click = np.zeros(rate_hz, dtype=np.float32)
    click[rate_hz // 2] = 1.0
    assert abs(int(np.abs(resample(click, rate_hz)).argmax()) - 8_000) <= 1


def test_what_is_above_the_new_band_does_not_fold_back() -> None:
    whistle = np.sin(2 * np.pi * 15_000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(resample(whistle, 48_000)[500:-500]).max() < 1e-3


@given(st.integers(0, 9_000), st.integers(1_000, 5_000))
@settings(max_examples=40, deadline=None)
def test_a_burst_ends_up_in_the_middle_wherever_it_was(start: int, length: int) -> None:
    clip = np.zeros(16_000, dtype=np.float32)
    clip[start : start + length] = 0.5
    window = place_by_energy(clip, 16_000)
    middle = np.flatnonzero(window).mean()
    assert abs(middle - 8_000) <= 400
    assert window.sum() == pytest.approx(0.5 * min(length, 16_000 - start), rel=0.01)


def test_a_long_clip_is_cut_about_its_energy_and_a_short_one_padded() -> None:
    long = np.concatenate([np.zeros(30_000), np.full(4_000, 0.5), np.zeros(30_000)]).astype(np.float32)
    assert place_by_energy(long, 16_000)[8_000] == 0.5
    short = np.full(1_000, 0.5, dtype=np.float32)
    assert np.count_nonzero(place_by_energy(short, 16_000)) == 1_000


def test_steady_noise_does_not_pull_the_centre() -> None:
    rng = np.random.default_rng(0)
    clip = 0.02 * rng.standard_normal(16_000)
    clip[2_000:5_000] += 0.3 * rng.standard_normal(3_000)
    assert abs(energy_centre(clip.astype(np.float32)) - 3_500) < 300


def test_silence_and_a_single_sample_have_a_place() -> None:
    assert energy_centre(np.zeros(1_000, dtype=np.float32)) == 500
    assert place_by_energy(np.zeros(1, dtype=np.float32), 10).tolist() == [0.0] * 10
    assert np.count_nonzero(place_by_energy(np.ones(1, dtype=np.float32), 10)) == 1


@given(st.integers(-50, 50), st.integers(1, 60))
def test_a_cut_window_holds_what_is_there_and_zeros(start: int, size: int) -> None:
    samples = np.arange(1, 21, dtype=np.float32)
    expected = [samples[i] if 0 <= i < 20 else 0.0 for i in range(start, start + size)]
    assert cut_window(samples, start, size).tolist() == expected


def test_milliseconds_are_whole_numbers_of_samples() -> None:
    assert ms_from_samples(samples_from_ms(59_999)) == 59_999
