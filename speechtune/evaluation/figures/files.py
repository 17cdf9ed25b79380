"""Figures as a JSON file: written whole, read with the key that is wrong, described by a schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from speechtune.errors import ManifestError
from speechtune.evaluation.answers.atomic_text import write_text

Figures = TypeVar("Figures", bound=BaseModel)


def write_figures(figures: BaseModel, path: Path) -> Path:
    """Write `figures` to `path`, whole or not at all, and return it.

    Raises:
        ConfigError: the file cannot be written.
    """
    write_text(path, figures_text(figures))
    return path


def figures_text(figures: BaseModel) -> str:
    """What `write_figures` writes."""
    return json.dumps(figures.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_figures(kind: type[Figures], path: Path) -> Figures:
    """Read what `write_figures` wrote.

    Raises:
        ManifestError: it cannot be read or does not have the form; the message names the file and the key.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"{path}: {key or 'metrics'}: {first['msg']}; evaluate again") from error


def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of such a file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | kind.model_json_schema()
