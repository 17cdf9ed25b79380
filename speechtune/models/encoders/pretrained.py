"""Encoders out of a folder in the Hugging Face form, through `transformers`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError
from speechtune.models.encoders import wav2vec2, whisper
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.pretrained_files import (
    PREPROCESSOR_FILE,
    SETTINGS_FILE,
    WEIGHT_PATTERNS,
    family_of,
    has_weights,
    read_json,
    read_settings,
)
from speechtune.models.encoders.whisper_decoder import PROMPTS, DecoderShape, FirstWordState


def load_pretrained(folder: Path, name: str) -> SpeechEncoder:
    """The encoder in `folder`, in evaluation mode on the CPU; every weight it needs must be there.

    Args:
        folder: in the Hugging Face form.
        name: what the user called it.

    Raises:
        UnknownEncoderError: not such a folder, or of a family that there is no code for.
        CheckpointCorruptError: a file is damaged, or weights are missing.
        CheckpointIncompatibleError: the weights have other shapes than the configuration says.
    """
    settings = read_settings(folder, name)
    family = family_of(settings, name)
    if not has_weights(folder):
        raise CheckpointCorruptError(
            f"encoder {name!r}: {folder} has a config.json and no weights; looked for {', '.join(WEIGHT_PATTERNS)}"
        )
    try:
        encoder: SpeechEncoder
        if family == "whisper":
            whisper_shape = _whisper_shape(settings, name)
            _, model_class = whisper.whisper_classes()
            # The whole model is stored; only its encoder is read.
            model = _read_model(
                model_class, folder, name, whisper.whisper_config(whisper_shape), {r"^(model\.)?encoder\.": ""}
            )
            encoder = _with_decoder(whisper_shape, model, settings, folder, name)
        else:
            shape = _waveform_shape(settings, folder, family, name)
            _, model_class = wav2vec2.waveform_model_classes(family)
            model = _read_model(model_class, folder, name, wav2vec2.waveform_config(shape), None)
            encoder = wav2vec2.WaveformSpeechEncoder(shape, model)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise CheckpointIncompatibleError(
            f"encoder {name!r}: {folder / SETTINGS_FILE}: {key}: {first['msg']}"
        ) from error
    return encoder.eval()


def _whisper_shape(settings: dict[str, Any], name: str) -> whisper.WhisperShape:
    config_class, _ = whisper.whisper_classes()
    return whisper.WhisperShape(name=name, **_known_values(whisper.WhisperShape, config_class, settings, name))


def _with_decoder(
    shape: whisper.WhisperShape, model: torch.nn.Module, settings: dict[str, Any], folder: Path, name: str
) -> whisper.WhisperSpeechEncoder:
    """The encoder and, where the vocabulary is one of Whisper's own, its decoder on the prompt."""
    if settings.get("vocab_size") not in PROMPTS:
        return whisper.WhisperSpeechEncoder(shape, model)
    from transformers.models.whisper.modeling_whisper import WhisperDecoder

    config_class, _ = whisper.whisper_classes()
    decoder: Any = _read_model(
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
    return whisper.WhisperSpeechEncoder(shape.model_copy(update={"decoder": part}), model, first_word)


def _waveform_shape(settings: dict[str, Any], folder: Path, family: str, name: str) -> wav2vec2.WaveformShape:
    config_class, _ = wav2vec2.waveform_model_classes(family)
    values = _known_values(wav2vec2.WaveformShape, config_class, settings, name)
    path = folder / PREPROCESSOR_FILE
    preprocessor = read_json(path, name) if path.is_file() else {}
    rate_hz = preprocessor.get("sampling_rate", SAMPLE_RATE_HZ)
    if rate_hz != SAMPLE_RATE_HZ:
        raise CheckpointIncompatibleError(
            f"encoder {name!r}: {path} says {rate_hz} Hz; encoders of {SAMPLE_RATE_HZ} Hz are used here"
        )
    # Without the file, what `transformers` takes for granted.
    normalise = preprocessor.get("do_normalize", True)
    return wav2vec2.WaveformShape(family=family, name=name, normalise=normalise, **values)


def _known_values(shape_class: Any, config_class: Any, settings: dict[str, Any], name: str) -> dict[str, Any]:
    """What the configuration says, defaults of its family filled in, for the fields of our shape."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        config = config_class.from_dict(settings)
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise CheckpointIncompatibleError(f"encoder {name!r}: config.json: {error}") from error
    fields = set(shape_class.model_fields) - {"family", "name", "normalise", "decoder"}
    return {field: getattr(config, field) for field in fields if hasattr(config, field)}


def _read_model(
    model_class: Any, folder: Path, name: str, config: Any, key_mapping: dict[str, str] | None
) -> torch.nn.Module:
    from safetensors import SafetensorError

    try:
        with _quiet_transformers():
            model, info = model_class.from_pretrained(
                folder,
                config=config,
                key_mapping=key_mapping,
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, SafetensorError, pickle.UnpicklingError, EOFError, KeyError) as error:
        raise CheckpointCorruptError(f"encoder {name!r}: the weights in {folder} cannot be read ({error})") from error
    except (RuntimeError, ValueError) as error:
        raise CheckpointIncompatibleError(
            f"encoder {name!r}: the weights in {folder} do not fit its config.json ({error})"
        ) from error
    # Left to itself, `transformers` would fill what is missing with random numbers and carry on.
    if missing := sorted(info["missing_keys"]):
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise CheckpointCorruptError(f"encoder {name!r}: {folder} lacks {len(missing)} weights: {shown}")
    loaded: torch.nn.Module = model
    return loaded


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Without its progress bars and its report of unused weights; what matters is checked here."""
    from transformers.utils import logging

    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
