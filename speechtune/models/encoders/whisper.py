"""Whisper's encoder on the audio's true length instead of 30 s of padding.

Whisper was trained on windows of 30 s, and `transformers` insists on them. Its layers do not: attention takes any
length, and the first rows of the position table are the positions of the first frames. One second then costs a
hundredth of the time, and hears as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from speechtune.audio.timebase import seconds_from_samples
from speechtune.errors import UnsupportedAudioError
from speechtune.models.encoders.bounds import (
    Activation,
    InnerWidth,
    NumFrames,
    NumHeads,
    NumLayers,
    NumMelBins,
    Share,
    Width,
)
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.families import FAMILIES
from speechtune.models.encoders.features import HOP_SAMPLES, MIN_SAMPLES, LogMel
from speechtune.models.encoders.pretrained import known_values, read_model
from speechtune.models.encoders.whisper_decoder import PROMPTS, DecoderShape, FirstWordState, empty_decoder


class WhisperShape(BaseModel):
    """The dimensions that rebuild the encoder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["whisper"] = "whisper"
    name: str
    num_mel_bins: NumMelBins
    d_model: Width
    encoder_layers: NumLayers
    encoder_attention_heads: NumHeads
    encoder_ffn_dim: InnerWidth
    max_source_positions: NumFrames
    """Rows of the position table: frames of 20 ms."""
    activation_function: Activation = "gelu"
    dropout: Share = 0.0
    attention_dropout: Share = 0.0
    activation_dropout: Share = 0.0
    decoder: DecoderShape | None = None
    """Of the decoder that tells the first word's state; none: the encoder alone is there."""


class WhisperSpeechEncoder(SpeechEncoder):
    """The `WhisperEncoder` of `transformers`, layer by layer, on as many frames as there are."""

    family = "whisper"
    hears_log_mel = True

    def __init__(
        self, shape: WhisperShape, model: nn.Module | None = None, first_word: FirstWordState | None = None
    ) -> None:
        """Build from `shape` with random weights, or around a `model` and a `first_word` that have that shape."""
        super().__init__()
        self.shape = shape
        self.name = shape.name
        self.num_layers = shape.encoder_layers
        self.hidden_size = shape.d_model
        self.features = LogMel(shape.num_mel_bins)
        if model is None:
            _, model_class = FAMILIES["whisper"].transformers_classes()
            model = model_class(whisper_config(shape))
        self.model = model
        if first_word is None and shape.decoder is not None:
            first_word = empty_decoder(shape.d_model, shape.decoder, activation_function=shape.activation_function)
        self.first_word = first_word
        self.has_state = first_word is not None

    def extract(self, waveforms: Tensor) -> Tensor:
        """See `SpeechEncoder.extract`."""
        features: Tensor = self.features(waveforms)
        return features

    def encode(self, features: Tensor, num_layers: int | None = None) -> tuple[Tensor, ...]:
        """Frames of the first layers; see `SpeechEncoder.encode`. T is half the features' frames, rounded up."""
        wanted = self.num_layers if num_layers is None else num_layers
        model: Any = self.model
        hidden = functional.gelu(model.conv1(features))
        hidden = functional.gelu(model.conv2(hidden)).transpose(1, 2)
        hidden = hidden + model.embed_positions.weight[: hidden.shape[1]]
        frames = []
        for layer in model.layers[:wanted]:
            hidden = layer(hidden, None)
            frames.append(hidden)
        if wanted == self.num_layers:
            frames[-1] = model.layer_norm(hidden)
        return tuple(frames)

    def state(self, last_frames: Tensor) -> Tensor:
        """What the decoder is about to say first; see `SpeechEncoder.state`."""
        if self.first_word is None:
            return super().state(last_frames)
        state: Tensor = self.first_word(last_frames)
        return state

    def num_frames(self, num_samples: int) -> int:
        """T for windows of `num_samples`; see `SpeechEncoder.num_frames`."""
        num_frames = (num_samples // HOP_SAMPLES + 1) // 2
        if num_samples < MIN_SAMPLES or num_frames > self.shape.max_source_positions:
            shortest, longest = MIN_SAMPLES, self.shape.max_source_positions * 2 * HOP_SAMPLES
            raise UnsupportedAudioError(
                f"encoder {self.name!r} hears {shortest} to {longest} samples at once "
                f"({seconds_from_samples(shortest):g} to {seconds_from_samples(longest):g} s), not {num_samples}"
            )
        return num_frames

    def config_dict(self) -> dict[str, Any]:
        """See `SpeechEncoder.config_dict`."""
        return self.shape.model_dump(mode="json")


def whisper_config(shape: WhisperShape) -> Any:
    """The configuration of `transformers` for `shape`."""
    config_class, _ = FAMILIES["whisper"].transformers_classes()
    return config_class(**shape.model_dump(exclude={"family", "name", "decoder"}))


def build(config: Mapping[str, Any]) -> WhisperSpeechEncoder:
    """See `families.Adapter`."""
    return WhisperSpeechEncoder(WhisperShape.model_validate(config))


def read(folder: Path, settings: dict[str, Any], name: str) -> WhisperSpeechEncoder:
    """See `families.Adapter`. The whole model is stored; its encoder is read, and what is needed of its decoder."""
    shape = _whisper_shape(settings, name)
    _, model_class = FAMILIES["whisper"].transformers_classes()
    model = read_model(model_class, folder, name, whisper_config(shape), {r"^(model\.)?encoder\.": ""})
    return _with_decoder(shape, model, settings, folder, name)


def _whisper_shape(settings: dict[str, Any], name: str) -> WhisperShape:
    config_class, _ = FAMILIES["whisper"].transformers_classes()
    return WhisperShape(name=name, **known_values(WhisperShape, config_class, settings, name))


def _with_decoder(
    shape: WhisperShape, model: torch.nn.Module, settings: dict[str, Any], folder: Path, name: str
) -> WhisperSpeechEncoder:
    """The encoder and, where the vocabulary is one of Whisper's own, its decoder on the prompt."""
    if settings.get("vocab_size") not in PROMPTS:
        return WhisperSpeechEncoder(shape, model)
    from transformers.models.whisper.modeling_whisper import WhisperDecoder

    config_class, _ = FAMILIES["whisper"].transformers_classes()
    decoder: Any = read_model(
        WhisperDecoder, folder, name, config_class.from_dict(settings), {r"^(model\.)?decoder\.": ""}
    )
    tokens = PROMPTS[settings["vocab_size"]]
    part = DecoderShape(
        layers=decoder.config.decoder_layers,
        attention_heads=decoder.config.decoder_attention_heads,
        ffn_dim=decoder.config.decoder_ffn_dim,
        prompt_length=len(tokens),
    )
    first_word = FirstWordState(shape.d_model, part, decoder.layers)
    first_word.layer_norm = decoder.layer_norm
    with torch.no_grad():
        words, positions = decoder.embed_tokens.weight[list(tokens)], decoder.embed_positions.weight[: len(tokens)]
        first_word.prompt.copy_(words + positions)
    return WhisperSpeechEncoder(shape.model_copy(update={"decoder": part}), model, first_word)
