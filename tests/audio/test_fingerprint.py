"""Recordings known again by their sound."""

import io

import numpy as np
import pytest
import soundfile

from speechtune.audio.files import decode_audio
from speechtune.audio.fingerprint import difference, fingerprint_sound
from tests.support.clips import word_like


def through(samples, **form):
    content = io.BytesIO()
    soundfile.write(content, samples, 16_000, **form)
    return decode_audio(content.getvalue(), "copy")


def test_a_recording_differs_in_nothing_from_itself_and_half_from_another():
    one, other = fingerprint_sound(word_like(1)), fingerprint_sound(word_like(2))
    assert difference(one, one) == 0.0
    assert difference(one, other) > 0.35
    assert difference(one, other) == pytest.approx(difference(other, one), abs=0.05)


@pytest.mark.parametrize("gain", [0.02, 0.5, 3.0])
def test_a_gain_changes_nothing(gain):
    samples = word_like(3)
    assert difference(fingerprint_sound(samples), fingerprint_sound(np.float32(gain) * samples)) < 0.02


@pytest.mark.parametrize("shift", [160, 800, 1_600])
def test_a_shift_changes_little(shift):
    samples = word_like(4)
    later = np.concatenate([np.zeros(shift, dtype=np.float32), samples])
    assert difference(fingerprint_sound(samples), fingerprint_sound(later)) < 0.1


def test_what_is_silent_or_too_short_has_no_print():
    assert fingerprint_sound(np.zeros(16_000, dtype=np.float32)) is None
    assert fingerprint_sound(word_like(1)[:1_000]) is None
