"""Pictures of clips."""

import numpy as np
import pytest

from speechtune.data.inspection.spectrograms import log_mel_image


@pytest.mark.parametrize("num_samples", [1, 511, 16_000])
def test_an_image_is_64_high_and_a_column_every_10_ms(num_samples):
    image = log_mel_image(np.random.default_rng(0).standard_normal(num_samples).astype(np.float32))
    assert image.shape == (64, 1 + max(num_samples, 512) // 160)
    assert image.min() >= 0.0
    assert image.max() == pytest.approx(1.0)


def test_a_higher_tone_lies_higher_and_a_later_one_further_right():
    samples = np.zeros(16_000, dtype=np.float32)
    time = np.arange(4_000) / 16_000
    samples[:4_000], samples[12_000:] = np.sin(2 * np.pi * 300 * time), np.sin(2 * np.pi * 3_000 * time)
    image = log_mel_image(samples)
    assert image[:, 10].argmax() < image[:, 90].argmax()
    assert image[:, 50].max() == 0.0


def test_digital_silence_has_an_image_too():
    assert np.isfinite(log_mel_image(np.zeros(16_000, dtype=np.float32))).all()
