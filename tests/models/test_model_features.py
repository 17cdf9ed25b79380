"""Log-mel against transformers' extractor, and against physics; the normalised waveform."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from speechtune.errors import UnsupportedAudioError
from speechtune.models.encoders.features import LogMel, NormalisedWaveform
from tests.support.encoders import noise_windows


@pytest.mark.parametrize("num_samples", [400, 401, 7_777, 16_000, 16_080, 24_001, 480_000])
@pytest.mark.parametrize("gain", [1.0, 1e-3, 0.0])
def test_log_mel_is_whispers_own_on_the_true_length(num_samples: int, gain: float) -> None:
    from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

    waveforms = gain * noise_windows(1, num_samples)
    theirs = WhisperFeatureExtractor()(
        waveforms[0].numpy(), sampling_rate=16_000, padding=False, return_tensors="np"
    ).input_features[0]
    ours = LogMel()(waveforms)[0].numpy()
    assert ours.shape == theirs.shape == (80, num_samples // 160)
    # Values lie within ±2; the two differ in the order of float32 sums only.
    assert np.abs(ours - theirs).max() < 2e-5


def test_128_bands_are_those_of_the_large_models() -> None:
    from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

    waveforms = noise_windows(1)
    theirs = WhisperFeatureExtractor(feature_size=128)(
        waveforms[0].numpy(), sampling_rate=16_000, padding=False, return_tensors="np"
    ).input_features[0]
    assert np.abs(LogMel(128)(waveforms)[0].numpy() - theirs).max() < 2e-5


def test_a_higher_tone_lies_in_a_higher_band() -> None:
    seconds = torch.arange(16_000) / 16_000
    tones = torch.stack([torch.sin(2 * torch.pi * hertz * seconds) for hertz in (200, 400, 1_000, 3_000, 7_000)])
    loudest = LogMel()(tones).mean(dim=2).argmax(dim=1)
    assert (loudest.diff() > 0).all()


def test_each_window_of_a_batch_has_its_own_dynamic_range() -> None:
    windows = noise_windows(3)
    windows[1] *= 1e-3
    log_mel = LogMel()
    together = log_mel(windows)
    alone = torch.cat([log_mel(window[None]) for window in windows])
    assert torch.allclose(together, alone, atol=1e-5)


def test_audio_shorter_than_a_frame_is_refused_with_its_length() -> None:
    with pytest.raises(UnsupportedAudioError, match="399 samples are too short"):
        LogMel()(torch.zeros(1, 399))


def test_half_precision_around_it_does_not_reach_the_features() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        halved = LogMel()(noise_windows(1))
    assert halved.dtype == torch.float32
    assert torch.equal(halved, LogMel()(noise_windows(1)))


def test_features_are_computed_even_inside_an_empty_model() -> None:
    with torch.device("meta"):
        log_mel = LogMel()
    assert torch.equal(log_mel(noise_windows(1)), LogMel()(noise_windows(1)))


def test_features_save_nothing() -> None:
    assert LogMel().state_dict() == {}


@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_a_normalised_window_has_zero_mean_and_unit_variance(offset: float) -> None:
    normalised = NormalisedWaveform()(noise_windows(4) + offset)
    assert torch.allclose(normalised.mean(dim=1), torch.zeros(4), atol=1e-4)
    assert torch.allclose(normalised.var(dim=1, correction=0), torch.ones(4), atol=1e-3)


def test_normalising_is_what_transformers_does() -> None:
    from transformers.models.wav2vec2.feature_extraction_wav2vec2 import Wav2Vec2FeatureExtractor

    waveforms = noise_windows(2)
    theirs = Wav2Vec2FeatureExtractor(do_normalize=True)(
        list(waveforms.numpy()), sampling_rate=16_000, return_tensors="np"
    ).input_values
    assert np.abs(NormalisedWaveform()(waveforms).numpy() - theirs).max() < 1e-5


def test_silence_stays_silence_when_normalised() -> None:
    assert torch.equal(NormalisedWaveform()(torch.zeros(1, 1_000)), torch.zeros(1, 1_000))
