"""One door to every encoder: a short name, a local folder, or a Hugging Face id."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from speechtune.errors import CheckpointIncompatibleError, UnknownEncoderError
from speechtune.models.encoders.families import FAMILIES, family_named
from speechtune.models.encoders.packaged import PACKAGED_ENCODERS, PackagedEncoder, read_packaged

if TYPE_CHECKING:
    from speechtune.models.encoders.encoder import SpeechEncoder

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def load_encoder(name: str) -> SpeechEncoder:
    """The pretrained encoder of that name, in evaluation mode on the CPU.

    A folder of that name comes before a hub id; nothing is downloaded unless a hub id was given.

    Raises:
        UnknownEncoderError: neither short name, folder nor hub id, or of a family that there is no code for.
        EncoderUnavailableError: the weights are not here and could not be had; the message says what to do.
        CheckpointCorruptError: the weights are damaged.
        CheckpointIncompatibleError: the weights are of another form than the family's.
    """
    if name in PACKAGED_ENCODERS:
        return _load_packaged(PACKAGED_ENCODERS[name])
    folder = find_folder(name, may_fetch=True)
    if folder is not None:
        from speechtune.models.encoders.pretrained import load_pretrained

        # So that nobody, and no model card, takes a folder for a repository of the hub.
        is_both = os.path.isdir(name) and _HUB_ID.fullmatch(name)
        return load_pretrained(folder, f"./{name}" if is_both else name)
    raise UnknownEncoderError(
        f"encoder {name!r}: not one of {', '.join(PACKAGED_ENCODERS)}, no folder of that name is here, and it is not "
        f"a Hugging Face id (organisation/name) of the families {', '.join(FAMILIES)}"
    )


def find_folder(name: str, *, may_fetch: bool) -> Path | None:
    """The folder that `name` is, or the one in the hub's cache; None where it is neither folder nor hub id.

    Args:
        name: a folder comes before a hub id.
        may_fetch: whether a hub id is downloaded where it is not in the cache; else None is the answer.

    Raises:
        ModelError: as for `load_encoder`, where `may_fetch`.
    """
    if os.path.isdir(name):  # unlike Path.is_dir, False for whatever cannot be a path
        return Path(name)
    if not _HUB_ID.fullmatch(name):
        return None
    from speechtune.models.encoders.hub import cached_from_hub, fetch_from_hub

    return fetch_from_hub(name) if may_fetch else cached_from_hub(name)


def build_encoder(config: Mapping[str, Any]) -> SpeechEncoder:
    """The encoder that `SpeechEncoder.config_dict` described, with random weights; asks nobody.

    Raises:
        UnknownEncoderError: the family is none of `FAMILIES`.
        CheckpointIncompatibleError: a key or a value does not fit the family.
    """
    family = family_named(config.get("family"))
    try:
        return family.adapter.build(config).eval()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise CheckpointIncompatibleError(f"encoder of family {family.name!r}: {key}: {first['msg']}") from error
    except Exception as error:  # numbers that do not fit each other: `transformers` raises whatever it likes
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointIncompatibleError(f"encoder of family {family.name!r}: cannot be built ({reason})") from error


def _load_packaged(packaged: PackagedEncoder) -> SpeechEncoder:
    content = read_packaged(packaged)  # first, so that a missing package is known before torch is imported
    from speechtune.models.encoders.ctranslate2_reader import read_ctranslate2
    from speechtune.models.encoders.whisper_ctranslate2 import whisper_from_ctranslate2

    where = f"encoder {packaged.name!r}"
    return whisper_from_ctranslate2(read_ctranslate2(content, where), packaged.name, where)
