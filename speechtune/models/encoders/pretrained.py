"""Encoders out of a folder in the Hugging Face form, through `transformers`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.pretrained_files import (
    SETTINGS_FILE,
    WEIGHT_PATTERNS,
    family_of,
    has_weights,
    read_settings,
)


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
        return family.adapter.read(folder, settings, name).eval()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise CheckpointIncompatibleError(
            f"encoder {name!r}: {folder / SETTINGS_FILE}: {key}: {first['msg']}"
        ) from error


def known_values(shape_class: Any, config_class: Any, settings: dict[str, Any], name: str) -> dict[str, Any]:
    """What the configuration says, defaults of its family filled in, for the fields of our shape."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        config = config_class.from_dict(settings)
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise CheckpointIncompatibleError(f"encoder {name!r}: config.json: {error}") from error
    fields = set(shape_class.model_fields) - {"family", "name", "normalise", "decoder"}
    return {field: getattr(config, field) for field in fields if hasattr(config, field)}


def read_model(
    model_class: Any, folder: Path, name: str, config: Any, key_mapping: dict[str, str] | None = None
) -> torch.nn.Module:
    """A model of `transformers` out of a folder, every weight of it.

    Args:
        model_class: of `transformers`.
        folder: in the Hugging Face form.
        name: what the user called the encoder.
        config: of the model.
        key_mapping: a pattern in the stored names -> what it becomes. Defaults to the names as they are stored.

    Raises:
        CheckpointCorruptError: the weights cannot be read, or some are missing.
        CheckpointIncompatibleError: they have other shapes than the configuration says.
    """
    from safetensors import SafetensorError

    try:
        with quiet_transformers():
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
def quiet_transformers() -> Iterator[None]:
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
