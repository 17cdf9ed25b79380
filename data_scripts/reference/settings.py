"""The pages of settings: every key with its default, its range, and the text beside its field."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from data_scripts.reference.markdown import table
from speechtune.recipe import Recipe
from speechtune_server.process.config import ServerConfig

_RECIPE = """# Recipe

A recipe is every setting that decides what a checkpoint will be, as one TOML file. `--recipe FILE` reads one,
`--set section.key=value` changes one setting, and what is not set takes its default. An unknown key, a value out of
range and a value of the wrong type are errors that name the key. A checkpoint keeps its recipe as `recipe.toml`.
"""
_SERVER = """# Server settings

`speechtune serve --config serve.toml` reads these settings. An unknown key is an error. Paths count from the file's
folder. `server/deploy/serve.toml` has every setting with a comment, ready to be changed.
"""
_BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))


def recipe_page() -> str:
    """The whole page of the recipe."""
    return "\n".join([_RECIPE, *_sections(Recipe, "")])


def server_page() -> str:
    """The whole page of the server's settings."""
    return "\n".join([_SERVER, *_sections(ServerConfig, "")])


def _sections(model: type[BaseModel], path: str) -> list[str]:
    texts, rows, deeper = field_texts(model), [], []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            deeper += _sections(field.annotation, f"{path}{name}.")
        else:
            rows.append([f"`{path}{name}`", _default(field), _range(field), texts.get(name, "")])
    heading = f"## {path[:-1] or 'Top'}\n" if path or deeper else ""
    said = inspect.cleandoc(model.__doc__ or "") + "\n"
    return [part for part in (heading, said) if part] + [table(["key", "default", "range", "what"], rows), *deeper]


def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """The text under every field, of the classes above too where a class says nothing of its own."""
    texts: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if cls is BaseModel or not issubclass(cls, BaseModel):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, after in zip(body.body, body.body[1:], strict=False):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                texts[field.target.id] = str(after.value.value)  # type: ignore[attr-defined]
    return texts


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = getattr(field.default, "value", field.default)
    if value is None:
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f"`{value!r}`".replace("'", '"')


def _range(field: FieldInfo) -> str:
    if choices := _choices(field.annotation):
        return ", ".join(f"`{choice}`" for choice in choices)
    bounds = [f"{sign} {_number(value)}" for item in _metadata(field) for name, sign in _BOUNDS
              if (value := getattr(item, name, None)) is not None]  # fmt: skip
    return ", ".join(bounds)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _metadata(field: FieldInfo) -> list[Any]:
    """Of the field, and of the type inside `… | None` or a tuple."""
    found: list[Any] = []
    for item in (*field.metadata, *(part for one in _inside(field.annotation) for part in one)):
        found += [item] if not hasattr(item, "metadata") else item.metadata
    return found


def _inside(annotation: Any) -> list[tuple[Any, ...]]:
    own = getattr(annotation, "__metadata__", ())
    inner = [one for part in get_args(annotation)[:1] for one in _inside(part)]
    return [own, *inner]


def _choices(annotation: Any) -> list[str]:
    if "Literal" in str(get_origin(annotation)):
        return [str(choice) for choice in get_args(annotation)]
    members = getattr(annotation, "__members__", None)
    return [] if members is None else [str(member.value) for member in members.values()]


def key_defaults(model: type[BaseModel] = Recipe, path: str = "") -> dict[str, Any]:
    """Every key of the recipe, such as `augment.copies`, with its default."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= key_defaults(field.annotation, f"{path}{name}.")
        else:
            found[path + name] = field.default
    return found
