"""Samples that a caller holds as an array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from speechtune.audio.arrays import as_samples
from speechtune.errors import UnreadableAudioError, UnsupportedAudioError


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_samples_keep_their_values(dtype: Any) -> None:
    samples = as_samples(np.array([0.5, -0.25, 0.0], dtype=dtype))
    assert samples.dtype == np.float32
    assert samples.tolist() == [0.5, -0.25, 0.0]


def test_integers_of_16_bits_become_shares_of_full_scale() -> None:
    samples = as_samples(np.array([-32768, 16384], dtype=np.int16))
    assert samples.dtype == np.float32
    assert samples.tolist() == [-1.0, 0.5]


def test_every_other_sample_of_an_array_can_be_given() -> None:
    assert as_samples(np.arange(6, dtype=np.float32)[::2] / 8).flags.c_contiguous


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((2, 3), np.float32), UnsupportedAudioError, r"shape \(2, 3\).*choose a channel"),
        (np.zeros((), np.float32), UnsupportedAudioError, r"shape \(\)"),
        (np.zeros(3, np.int32), UnsupportedAudioError, "type int32.*int16"),
        (np.zeros(3, np.complex64), UnsupportedAudioError, "type complex64"),
        (np.array([0.0, np.nan]), UnreadableAudioError, "NaN"),
        (np.array([0.0, 1e300]), UnreadableAudioError, "infinite"),
        (np.array([900.0]), UnreadableAudioError, "amplitude of 900"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_is_no_audio_of_one_channel_is_refused(array: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        as_samples(array)
