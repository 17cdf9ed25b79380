"""Whisper's encoder, and what is kept of its decoder, out of a CTranslate2 model: the same weights, other names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.errors import CheckpointIncompatibleError
from speechtune.models.encoders.whisper import WhisperShape, WhisperSpeechEncoder
from speechtune.models.encoders.whisper_decoder import DecoderShape, prompt_tokens

_POSITIONS = "encoder/position_encodings/encodings"
_NUM_HEADS = "encoder/num_heads"
_DECODER_LAYER = (
    ("self_attn.out_proj", "self_attention/linear_1"),
    ("self_attn_layer_norm", "self_attention/layer_norm"),
    ("encoder_attn.out_proj", "attention/linear_2"),
    ("encoder_attn_layer_norm", "attention/layer_norm"),
    ("fc1", "ffn/linear_0"),
    ("fc2", "ffn/linear_1"),
    ("final_layer_norm", "ffn/layer_norm"),
)


def whisper_from_ctranslate2(variables: dict[str, NDArray[np.generic]], name: str, where: str) -> WhisperSpeechEncoder:
    """The encoder of a CTranslate2 Whisper model with all of its weights, and its decoder without the vocabulary.

    Args:
        variables: as `ctranslate2_reader.read_ctranslate2` gives them.
        name: the encoder's name.
        where: names the file in messages.

    Raises:
        CheckpointIncompatibleError: not a Whisper model, or one of another form (quantised, for example).
    """
    try:
        shape = _shape_of(variables, name)
        encoder_state, decoder_state = _state_of(variables, shape), _decoder_state_of(variables, shape.decoder)
        # Built without memory of its own: the weights become its parameters.
        with torch.device("meta"):
            encoder = WhisperSpeechEncoder(shape)
        encoder.model.load_state_dict(encoder_state, strict=True, assign=True)
        if encoder.first_word is not None:
            encoder.first_word.load_state_dict(decoder_state, strict=True, assign=True)
            encoder.first_word.prompt.requires_grad_(False)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise CheckpointIncompatibleError(
            f"{where}: not an unquantised Whisper model of the known form ({error})"
        ) from error
    return encoder.eval()


def _shape_of(variables: dict[str, NDArray[np.generic]], name: str) -> WhisperShape:
    width, num_mels, _ = variables["encoder/conv1/weight"].shape
    layers = {key.split("/")[1] for key in variables if key.startswith("encoder/layer_") and "/ffn/" in key}
    return WhisperShape(
        name=name,
        num_mel_bins=num_mels,
        d_model=width,
        encoder_layers=len(layers),
        encoder_attention_heads=int(variables[_NUM_HEADS]),
        encoder_ffn_dim=variables["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        max_source_positions=variables[_POSITIONS].shape[0],
        decoder=_decoder_shape_of(variables),
    )


def _decoder_shape_of(variables: dict[str, NDArray[np.generic]]) -> DecoderShape | None:
    if "decoder/embeddings/weight" not in variables:
        return None
    layers = {key.split("/")[1] for key in variables if key.startswith("decoder/layer_") and "/ffn/" in key}
    return DecoderShape(
        layers=len(layers),
        attention_heads=int(variables["decoder/num_heads"]),
        ffn_dim=variables["decoder/layer_0/ffn/linear_0/weight"].shape[0],
        prompt_length=len(prompt_tokens(variables["decoder/embeddings/weight"].shape[0])),
    )


def _state_of(variables: dict[str, NDArray[np.generic]], shape: WhisperShape) -> dict[str, Tensor]:
    """The weights under the names that `transformers` gives them."""
    rest = {key: value for key, value in variables.items() if key.startswith("encoder/") and key != _NUM_HEADS}
    state = {ours: _tensor(theirs, rest.pop(theirs)) for ours, theirs in _renamed(shape.encoder_layers)}
    for index in range(shape.encoder_layers):
        fused = f"encoder/layer_{index}/self_attention/linear_0"
        weight = _tensor(f"{fused}/weight", rest.pop(f"{fused}/weight"))
        bias = _tensor(f"{fused}/bias", rest.pop(f"{fused}/bias"))
        state |= _unfused(weight, bias, f"layers.{index}.self_attn")
    if rest:
        raise ValueError(f"{min(rest)} has no place in it")
    return state


def _decoder_state_of(variables: dict[str, NDArray[np.generic]], shape: DecoderShape | None) -> dict[str, Tensor]:
    """The decoder's layers under the names that `transformers` gives them, and the prompt with its positions."""
    if shape is None:
        return {}

    def tensor(name: str) -> Tensor:
        return _tensor(f"decoder/{name}", variables[f"decoder/{name}"])

    words = variables["decoder/embeddings/weight"]
    prompt = words[list(prompt_tokens(words.shape[0]))].astype(np.float32)
    positions = variables["decoder/position_encodings/encodings"][: shape.prompt_length].astype(np.float32)
    state = {"prompt": torch.from_numpy(prompt + positions)}
    pairs = [("layer_norm", "layer_norm")]
    for index in range(shape.layers):
        ours, theirs = f"layers.{index}", f"layer_{index}"
        pairs += [(f"{ours}.{name}", f"{theirs}/{other}") for name, other in _DECODER_LAYER]
        state |= _unfused(
            tensor(f"{theirs}/self_attention/linear_0/weight"),
            tensor(f"{theirs}/self_attention/linear_0/bias"),
            f"{ours}.self_attn",
        )
        state |= _unfused(
            torch.cat([tensor(f"{theirs}/attention/linear_{part}/weight") for part in (0, 1)]),
            torch.cat([tensor(f"{theirs}/attention/linear_{part}/bias") for part in (0, 1)]),
            f"{ours}.encoder_attn",
        )
    for ours, theirs in pairs:
        weight, bias = ("gamma", "beta") if theirs.endswith("layer_norm") else ("weight", "bias")
        state |= {f"{ours}.weight": tensor(f"{theirs}/{weight}"), f"{ours}.bias": tensor(f"{theirs}/{bias}")}
    return state


def _renamed(num_layers: int) -> Iterator[tuple[str, str]]:
    """Pairs of our name and theirs, of everything that is stored alike."""
    yield "embed_positions.weight", _POSITIONS
    modules = [("conv1", "conv1"), ("conv2", "conv2")]
    norms = [("layer_norm", "layer_norm")]
    for index in range(num_layers):
        ours, theirs = f"layers.{index}", f"layer_{index}"
        modules += [
            (f"{ours}.self_attn.out_proj", f"{theirs}/self_attention/linear_1"),
            (f"{ours}.fc1", f"{theirs}/ffn/linear_0"),
            (f"{ours}.fc2", f"{theirs}/ffn/linear_1"),
        ]
        norms += [
            (f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm"),
            (f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm"),
        ]
    for ours, theirs in modules:
        yield f"{ours}.weight", f"encoder/{theirs}/weight"
        yield f"{ours}.bias", f"encoder/{theirs}/bias"
    for ours, theirs in norms:
        yield f"{ours}.weight", f"encoder/{theirs}/gamma"
        yield f"{ours}.bias", f"encoder/{theirs}/beta"


def _unfused(weight: Tensor, bias: Tensor, ours: str) -> dict[str, Tensor]:
    """Queries, keys and values out of their one matrix, where the keys have a bias of zero, which Whisper has not."""
    state = {}
    for part, part_weight, part_bias in zip("qkv", weight.chunk(3), bias.chunk(3), strict=True):
        state[f"{ours}.{part}_proj.weight"] = part_weight.clone()
        if part != "k":
            state[f"{ours}.{part}_proj.bias"] = part_bias.clone()
        elif part_bias.any():
            raise ValueError(f"the keys of {ours} have a bias")
    return state


def _tensor(name: str, array: NDArray[np.generic]) -> Tensor:
    if array.dtype.kind != "f":
        raise ValueError(f"{name} holds {array.dtype} values")
    return torch.from_numpy(array.astype(np.float32))
