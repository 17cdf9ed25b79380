"""The folder that a pretrained encoder is, in the Hugging Face form. Needs no torch.

::

    config.json                family and dimensions
    model.safetensors          the weights, whole or in shards; or pytorch_model.bin
    preprocessor_config.json   for the families that read waveforms: whether these are normalised
    tokenizer.json             for Whisper: which rows of its vocabulary a word is
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from speechtune.errors import CheckpointCorruptError, UnknownEncoderError
from speechtune.models.encoders.bounds import DESCRIPTION_FILE
from speechtune.models.encoders.families import FAMILIES, Family

SETTINGS_FILE = "config.json"
PREPROCESSOR_FILE = "preprocessor_config.json"
TOKENIZER_FILE = "tokenizer.json"
SAFE_WEIGHTS = ("model.safetensors", "model-*.safetensors")
PICKLED_WEIGHTS = ("pytorch_model.bin", "pytorch_model-*.bin")
WEIGHT_PATTERNS = SAFE_WEIGHTS + PICKLED_WEIGHTS
INDEX_FILES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
"""Which shard holds which weight."""


def has_weights(folder: Path) -> bool:
    """Whether `folder` holds weights in a form that is read here."""
    return any(next(folder.glob(pattern), None) is not None for pattern in WEIGHT_PATTERNS)


def read_settings(folder: Path, name: str) -> dict[str, Any]:
    """The `config.json` of a folder.

    Raises:
        UnknownEncoderError: there is none.
        CheckpointCorruptError: it is not a JSON object.
    """
    path = folder / SETTINGS_FILE
    if (folder / DESCRIPTION_FILE).is_file() and not path.is_file():
        raise UnknownEncoderError(
            f"encoder {name!r}: {folder} is a speechtune checkpoint, not a pretrained encoder; name the encoder that "
            "it was made from (`speechtune info` shows it)"
        )
    if not path.is_file():
        raise UnknownEncoderError(
            f"encoder {name!r}: the folder {folder} has no config.json; give one in the Hugging Face form, with "
            "config.json and model.safetensors"
        )
    return read_json(path, name)


def family_of(settings: dict[str, Any], name: str) -> Family:
    """The family that a `config.json` names.

    Raises:
        UnknownEncoderError: there is no code for it.
    """
    family = settings.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise UnknownEncoderError(
            f"encoder {name!r}: its config.json says model_type {family!r}; there is code for {', '.join(FAMILIES)}"
        )
    adapted = [key for key in ("add_adapter", "adapter_attn_dim") if settings.get(key)]
    if adapted:
        raise UnknownEncoderError(f"encoder {name!r}: its config.json sets {adapted[0]}, which there is no code for")
    return FAMILIES[family]


def read_json(path: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file of the encoder `name`.

    Raises:
        CheckpointCorruptError: it is not one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointCorruptError(f"encoder {name!r}: {path} cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise CheckpointCorruptError(f"encoder {name!r}: {path} is not a JSON object")
    return content
