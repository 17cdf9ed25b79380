"""wav2vec2, HuBERT and WavLM on small random weights, against torchaudio's own implementation of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from speechtune.errors import UnsupportedAudioError
from tests.support.encoders import noise_windows, random_encoder, random_model

FAMILIES = ("wav2vec2", "hubert", "wavlm")
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "large": {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True},
}

both = pytest.mark.parametrize("variant", VARIANTS)
every_family = pytest.mark.parametrize("family", FAMILIES)


@every_family
@both
def test_the_adapter_agrees_with_torchaudio_holding_the_same_weights(family: str, variant: str) -> None:
    from torchaudio.models.wav2vec2.utils import import_huggingface_model

    theirs = import_huggingface_model(random_model(family, **VARIANTS[variant])).eval()
    encoder = random_encoder(family, **VARIANTS[variant])
    windows = noise_windows(3)
    with torch.inference_mode():
        expected, _ = theirs(encoder.features(windows))
        layers, _ = theirs.extract_features(encoder.features(windows))
        ours = encoder(windows)
    # Two codes over the same operations: only the order of float32 sums differs.
    assert torch.allclose(ours[-1], expected, atol=1e-5)
    assert len(ours) == len(layers) == 3
    for mine, other in zip(ours[:-1], layers[:-1], strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


@every_family
@both
def test_the_adapter_is_transformers_own_model(family: str, variant: str) -> None:
    encoder = random_encoder(family, **VARIANTS[variant])
    windows = noise_windows(2, 8_000)
    with torch.inference_mode():
        theirs = random_model(family, **VARIANTS[variant])(encoder.features(windows)).last_hidden_state
        assert torch.allclose(encoder(windows)[-1], theirs, atol=1e-6)


@every_family
@both
def test_a_window_alone_gives_what_it_gives_in_a_batch(family: str, variant: str) -> None:
    encoder = random_encoder(family, **VARIANTS[variant])
    windows = noise_windows(5) * torch.tensor([1.0, 0.01, 3.0, 0.2, 0.0])[:, None]
    with torch.inference_mode():
        together = encoder(windows)
        alone = [encoder(window[None]) for window in windows]
    for layer, frames in enumerate(together):
        assert torch.allclose(frames, torch.cat([one[layer] for one in alone]), atol=1e-4)


@every_family
@pytest.mark.parametrize("num_samples", [400, 719, 720, 8_000, 16_000, 16_001])
def test_the_number_of_frames_is_known_beforehand(family: str, num_samples: int) -> None:
    encoder = random_encoder(family)
    with torch.inference_mode():
        assert encoder(noise_windows(1, num_samples))[-1].shape[1] == encoder.num_frames(num_samples)


@every_family
def test_audio_shorter_than_a_frame_is_refused_with_the_limit(family: str) -> None:
    with pytest.raises(UnsupportedAudioError, match="399 samples are shorter than one frame; give at least 400"):
        random_encoder(family)(torch.zeros(1, 399))


@every_family
@both
def test_the_first_layers_alone_give_the_same_frames(family: str, variant: str) -> None:
    encoder = random_encoder(family, **VARIANTS[variant])
    with torch.inference_mode():
        everything = encoder(noise_windows(2))
        first = encoder(noise_windows(2), num_layers=2)
    assert len(first) == 2
    assert all(torch.equal(left, right) for left, right in zip(first, everything[:2], strict=True))


@every_family
@both
def test_without_dropout_training_mode_hears_the_same(family: str, variant: str) -> None:
    # Masks and dropped layers would show here: nothing random is left but dropout, which is set to zero.
    quiet = {"hidden_dropout": 0.0, "activation_dropout": 0.0, "attention_dropout": 0.0, "feat_proj_dropout": 0.0}
    encoder = random_encoder(family, mask_time_prob=0.5, layerdrop=0.5, **VARIANTS[variant], **quiet)
    windows = noise_windows(2)
    evaluated = encoder(windows)[-1]
    assert torch.allclose(encoder.train()(windows)[-1], evaluated, atol=1e-5)


def test_batch_norm_keeps_its_statistics_in_training_mode() -> None:
    encoder = random_encoder("hubert", conv_pos_batch_norm=True, feat_proj_layer_norm=False).train()
    before = {name: value.clone() for name, value in encoder.named_buffers() if "batch_norm" in name}
    encoder(noise_windows(4))
    assert before
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_buffers() if name in before)
