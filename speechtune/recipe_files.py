"""Reading recipes: TOML files and single settings from the command line, checked key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from speechtune.errors import ConfigError
from speechtune.recipe import Recipe


def parse_recipe(text: str, where: str = "recipe") -> Recipe:
    """Read a recipe from TOML; missing keys take their defaults.

    Raises:
        ConfigError: not TOML, an unknown key, or a value out of range; the message names `where` and the key.
    """
    return _validated(_parsed(text, where), where)


def load_recipe(path: Path | None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file (none: the defaults) and apply `section.key=value` overrides in their order.

    Raises:
        ConfigError: the file cannot be read, or as for `parse_recipe`.
    """
    tree: dict[str, Any] = {}
    where = "recipe"
    if path is not None:
        where = str(path)
        try:
            tree = _parsed(path.read_text(encoding="utf-8"), where)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"recipe {path}: cannot be read ({error})") from error
    for override in overrides:
        _apply(tree, override)
    return _validated(tree, where)


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not TOML ({error})") from error


def _validated(tree: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "recipe"
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{where}: unknown key {key!r}; known keys: {_known_keys(key)}") from error
        raise ConfigError(f"{where}: {key}: {first['msg']} (got {first['input']!r})") from error


def _known_keys(key: str) -> str:
    section = Recipe.model_fields.get(key.split(".", maxsplit=1)[0]) if "." in key else None
    model = section.annotation if section is not None else Recipe
    fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    return ", ".join(fields)


def _apply(tree: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not separator or not all(parts):
        raise ConfigError(f"--set {override!r}: write section.key=value, for example augment.copies=20")
    node = tree
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override!r}: {part!r} is a value, not a section")
        node = child
    try:
        node[parts[-1]] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is a string: `encoder.name=whisper-base` should not need quotes inside quotes.
        node[parts[-1]] = value.strip()
