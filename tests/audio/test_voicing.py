"""Voiced frames: what has the pitch of a voice, and what has not."""

import numpy as np
import pytest

from speechtune.audio.files import read_audio
from speechtune.audio.voicing import voiced_frames
from tests.support.clips import word_like
from tests.support.speech import SPEECH_FOLDER, needs_speech


@pytest.mark.parametrize("pitch_hz", [85, 120, 210, 390])
def test_a_buzz_in_the_range_of_a_voice_is_voiced_at_any_level(pitch_hz):
    buzz = np.sign(np.sin(2 * np.pi * pitch_hz * np.arange(8_000) / 16_000)).astype(np.float32)
    assert voiced_frames(buzz).all()
    assert voiced_frames(np.float32(1e-4) * buzz).all()


@pytest.mark.parametrize("seed", range(5))
def test_white_noise_and_silence_are_not_voiced(seed):
    noise = np.random.default_rng(seed).standard_normal(16_000).astype(np.float32)
    assert voiced_frames(noise).mean() < 0.02
    assert not voiced_frames(0.0 * noise).any()


@pytest.mark.parametrize("num_samples", [1, 319, 320, 321, 640, 16_001])
def test_there_is_an_answer_for_every_frame_of_any_length(num_samples):
    assert voiced_frames(word_like(1, num_samples)).shape == (-(-num_samples // 320),)


@needs_speech
def test_real_vowels_are_voiced_and_real_noise_is_not():
    digits = sorted((SPEECH_FOLDER / "fsdd" / "0").glob("*_1.flac"))
    assert all(voiced_frames(read_audio(path)).mean() > 0.4 for path in digits)
    noises = sorted((SPEECH_FOLDER / "noise").glob("*.flac"))
    shares = [voiced_frames(read_audio(path)).mean() for path in noises]
    assert len(shares) == 6
    assert np.median(shares) < 0.05
