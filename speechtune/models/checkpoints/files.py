"""The folder that a checkpoint is: its files, their description. Needs no torch.

::

    weights.safetensors   encoder, head, standardisation, temperature: everything, so that it serves alone
    checkpoint.json       what the weights are, and the sha256 of the files that decide what it does
    recipe.toml           how it was made and how it listens
    README.md             the model card; a person may edit it
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from speechtune.errors import (
    CheckpointCorruptError,
    CheckpointIncompatibleError,
    CheckpointNotFoundError,
    ConfigError,
)
from speechtune.labels import LabelSet
from speechtune.models.checkpoints.places import opened_together, path_of
from speechtune.models.encoders.bounds import (
    DESCRIPTION_FILE,
    MAX_DEPTH,
    MAX_DESCRIPTION_BYTES,
    Keywords,
    Negatives,
    NumLayers,
    NumSegments,
    WindowSamples,
    is_too_deep,
)
from speechtune.names import composed
from speechtune.recipe import Recipe
from speechtune.recipe_files import parse_recipe

FORMAT = "speechtune-checkpoint"
FORMAT_VERSION = 1

WEIGHTS_FILE = "weights.safetensors"
RECIPE_FILE = "recipe.toml"
CARD_FILE = "README.md"
FILES = frozenset({WEIGHTS_FILE, DESCRIPTION_FILE, RECIPE_FILE, CARD_FILE})

_HASHED_FILES = (WEIGHTS_FILE, RECIPE_FILE)


class CheckpointDescription(BaseModel):
    """`checkpoint.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["speechtune-checkpoint"] = "speechtune-checkpoint"
    format_version: Literal[1] = 1
    encoder: dict[str, JsonValue]
    """What `registry.build_encoder` rebuilds the encoder from; `family` and `name` are among it."""
    keywords: Keywords
    negatives: Negatives
    window_samples: WindowSamples
    """Length of the windows, at 16 kHz."""
    layers: Annotated[tuple[NumLayers, ...], Field(max_length=256)]
    """Layers of the encoder that are pooled, counted from 1."""
    num_segments: NumSegments
    uses_decoder: bool = False
    """Whether the decoder's state is pooled besides."""
    thresholds: dict[Annotated[str, AfterValidator(composed)], Annotated[float, Field(ge=0.0, le=1.0)]]
    """Lowest confidence that is reported, per keyword."""
    training: dict[str, JsonValue]
    """Facts of its making."""
    versions: dict[str, str]
    """Of the libraries that made it."""
    sha256: dict[str, str]
    """Per file, hex."""

    @model_validator(mode="after")
    def _parts_fit(self) -> CheckpointDescription:
        try:
            labels = self.labels
        except ConfigError as error:
            raise ValueError(str(error)) from error
        if not all(isinstance(self.encoder.get(key), str) for key in ("family", "name")):
            raise ValueError("encoder: has no family or no name")
        if set(self.thresholds) != set(labels.keywords):
            raise ValueError("thresholds: not exactly one per keyword")
        if set(self.sha256) != set(_HASHED_FILES):
            raise ValueError(f"sha256: not exactly those of {', '.join(_HASHED_FILES)}")
        return self

    @property
    def labels(self) -> LabelSet:
        """The labels of its classes and posteriors."""
        return LabelSet(self.keywords, self.negatives)


@dataclass(frozen=True)
class CheckpointSummary:
    """A checkpoint whose files were found whole, without its weights in memory.

    Attributes:
        folder: where it is.
        digest: sha256, hex, over the description and, through it, the weights and the recipe; names the model exactly.
        num_weight_bytes: size of the weights' file.
    """

    folder: Path
    description: CheckpointDescription
    recipe: Recipe
    digest: str
    num_weight_bytes: int

    @property
    def weights_path(self) -> Path:
        """The weights' file."""
        return self.folder / WEIGHTS_FILE


def read_summary(folder: Path) -> CheckpointSummary:
    """Read and check everything in a checkpoint but the tensors themselves; all of it is of one checkpoint.

    Raises:
        CheckpointNotFoundError: no folder there, or no checkpoint in it.
        CheckpointCorruptError: a file is missing, unreadable, or not the one that was written.
        CheckpointIncompatibleError: another program's model, or a format of a newer version.
    """
    with opened_checkpoint(folder) as (summary, _):
        return summary


@contextmanager
def opened_checkpoint(folder: Path) -> Iterator[tuple[CheckpointSummary, Path]]:
    """As `read_summary`, and for as long as it lasts where the weights can be read that belong to the summary.

    Raises:
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: as `read_summary`.
    """
    with opened_together(folder, (DESCRIPTION_FILE, *_HASHED_FILES)) as files:
        content = _description_bytes(folder, files[DESCRIPTION_FILE])
        description = _parse_description(content, folder / DESCRIPTION_FILE)
        for name in _HASHED_FILES:
            _check_sha256(folder / name, files[name], description.sha256[name])
        weights, settings = _file(files[WEIGHTS_FILE]), _file(files[RECIPE_FILE])
        path = folder / RECIPE_FILE
        try:
            settings.seek(0)
            recipe = parse_recipe(_bounded(settings, path).decode(), str(path))
        except ConfigError as error:
            raise CheckpointIncompatibleError(f"checkpoint {folder}: {error}") from error
        except RecursionError:
            raise CheckpointCorruptError(f"checkpoint {path}: nested too deeply; do not use it") from None
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointCorruptError(f"checkpoint {path}: cannot be read ({error})") from error
        num_bytes = os.fstat(weights.fileno()).st_size
        digest = hashlib.sha256(content).hexdigest()
        yield (
            CheckpointSummary(folder, description, recipe, digest, num_bytes),
            path_of(weights, folder / WEIGHTS_FILE),
        )


def _file(found: BinaryIO | OSError) -> BinaryIO:
    if isinstance(found, OSError):
        raise found
    return found


def _bounded(file: BinaryIO, path: Path) -> bytes:
    """All of a file that a person could read."""
    content = file.read(MAX_DESCRIPTION_BYTES + 1)
    if len(content) > MAX_DESCRIPTION_BYTES:
        raise CheckpointCorruptError(
            f"checkpoint {path}: larger than {MAX_DESCRIPTION_BYTES} bytes, which no speechtune writes; do not use it"
        )
    return content


def _description_bytes(folder: Path, found: BinaryIO | OSError) -> bytes:
    if not folder.is_dir() and isinstance(found, OSError):
        if folder.is_file() and folder.suffix.lower() == ".onnx":
            raise CheckpointIncompatibleError(
                f"checkpoint {folder}: is an exported model, which can be run but neither trained, changed nor "
                "exported again; name the checkpoint's folder that it was exported from"
            )
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise CheckpointNotFoundError(
            f"checkpoint {folder}: {what}; make one with: speechtune finetune DATA --out {folder}"
        )
    try:
        return _bounded(_file(found), folder / DESCRIPTION_FILE)
    except FileNotFoundError:
        if (folder / "config.json").is_file() or (folder / "model.bin").is_file():
            raise CheckpointIncompatibleError(
                f"checkpoint {folder}: another program's model (it has no {DESCRIPTION_FILE}); if it is a pretrained "
                f"encoder, fine-tune it with: speechtune finetune DATA --encoder {folder} --out CHECKPOINT"
            ) from None
        raise CheckpointNotFoundError(
            f"checkpoint {folder}: the folder has no {DESCRIPTION_FILE}, so it is not a checkpoint; "
            "give the folder that `speechtune finetune --out` wrote"
        ) from None
    except OSError as error:
        raise CheckpointCorruptError(f"checkpoint {folder / DESCRIPTION_FILE}: cannot be read ({error})") from error


def _parse_description(content: bytes, path: Path) -> CheckpointDescription:
    try:
        tree: Any = json.loads(content)
        is_deep = is_too_deep(tree)
    except ValueError as error:
        raise CheckpointCorruptError(f"checkpoint {path}: not JSON ({error}); restore it from a copy") from error
    except RecursionError:
        is_deep = True
    if is_deep:
        raise CheckpointCorruptError(
            f"checkpoint {path}: nested more than {MAX_DEPTH} levels deep, which no speechtune writes; do not use it"
        )
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise CheckpointIncompatibleError(
            f"checkpoint {path}: another program's file; it does not say format {FORMAT!r}"
        )
    version = tree.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise CheckpointIncompatibleError(
            f"checkpoint {path}: format version {version}; this speechtune reads up to {FORMAT_VERSION}, upgrade it"
        )
    try:
        return CheckpointDescription.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "file"
        raise CheckpointCorruptError(f"checkpoint {path}: {key}: {first['msg']}; restore it from a copy") from error


def _sha256_of(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _check_sha256(path: Path, found: BinaryIO | OSError, expected: str) -> None:
    try:
        actual = _sha256_of(_file(found))
    except FileNotFoundError:
        raise CheckpointCorruptError(f"checkpoint {path}: the file is missing; restore it from a copy") from None
    except OSError as error:
        raise CheckpointCorruptError(f"checkpoint {path}: cannot be read ({error})") from error
    if actual != expected:
        raise CheckpointCorruptError(
            f"checkpoint {path}: not the file that was written (sha256 {actual[:12]}…, expected {expected[:12]}…); "
            "it was changed or cut off, restore it from a copy"
        )


def write_description(folder: Path, **values: Any) -> CheckpointDescription:
    """Write `checkpoint.json` for the other files that lie in `folder`.

    Args:
        folder: holds the weights and the recipe already.
        values: the fields of `CheckpointDescription` but for `sha256`.

    Raises:
        ConfigError: the values do not fit each other.
    """
    sha256 = {}
    for name in _HASHED_FILES:
        with (folder / name).open("rb") as file:
            sha256[name] = _sha256_of(file)
    try:
        description = CheckpointDescription(sha256=sha256, **values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"checkpoint: {key}: {first['msg']}") from error
    (folder / DESCRIPTION_FILE).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return description
