"""The page of Python: what a notebook and a device use, and what every package owns; found by walking the packages."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from data_scripts.reference.markdown import docstring, table

_INTRODUCTION = """# Python

What a notebook and a device use. Everything else may change between versions.
"""
_OFFERED_SAID = """## Library

`import speechtune` offers these names. They are imported when they are first used, so that the import itself costs
nothing.
"""
_GIVEN_SAID = """## What the library gives back

These are got from the functions above, not imported.
"""
_GIVEN = (
    ("speechtune.recognition", "Recognizer"),
    ("speechtune.recognition", "Recognition"),
    ("speechtune.recognition", "RecognizerStream"),
    ("speechtune.training.finetune", "FinetuneResult"),
    ("speechtune.evaluation.evaluate", "Evaluation"),
    ("speechtune.evaluation.evaluate", "ClipPart"),
    ("speechtune.evaluation.evaluate", "StreamPart"),
)
"""Module and name of what the functions above return."""
_PACKAGES_SAID = """Who may import whom stands in `pyproject.toml`, and `make contracts` checks it. Beside the packages
lie `data_scripts`, which import and make data, and `benchmarks`, which the figures come from.
"""
_CLIENT = "speechtune_client"
_PACKAGES = ("speechtune", "speechtune_server", _CLIENT)
_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def python_page() -> str:
    """The whole page."""
    library, client = importlib.import_module(_PACKAGES[0]), importlib.import_module(_CLIENT)
    of_library, of_client = dict(_definitions(library)), dict(_definitions(client))
    parts = [_INTRODUCTION, _OFFERED_SAID]
    offered = [(getattr(library, name).__module__, name) for name in library.__all__]
    parts += [_section(of_library[place], f"{library.__name__}.{place[1]}") for place in offered]
    parts += [_GIVEN_SAID, *(_section(of_library[place], place[1]) for place in _GIVEN)]
    parts += ["## Client of devices\n", docstring(client.__doc__)]
    by_name = {name: node for (_, name), node in of_client.items()}
    for name in client.__all__:
        if name in by_name:
            parts.append(_section(by_name[name], name, f"from {_CLIENT} import {name}"))
    rows = [[f"`{name}`", _owned(text)] for name, text in _cards()]
    parts += ["## Packages\n", _PACKAGES_SAID, table(["package", "what it owns"], rows)]
    return "\n".join(parts)


def _modules(package: ModuleType) -> Iterator[tuple[str, str]]:
    """Name and source of every module below a package; nothing is imported, for some need torch."""
    root = Path(package.__path__[0])
    for path in sorted(root.rglob("*.py")):
        if "_pb2" not in path.name:
            parts = path.relative_to(root).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            yield ".".join((package.__name__, *parts)), path.read_text(encoding="utf-8")


def _definitions(package: ModuleType) -> Iterator[tuple[tuple[str, str], _Definition]]:
    """Module, name and definition of all classes and functions at the top of a module."""
    for module, text in _modules(package):
        for node in ast.parse(text).body:
            if isinstance(node, _Definition):
                yield (module, node.name), node


def _section(node: _Definition, title: str, imported: str | None = None) -> str:
    parts = [f"### {title}\n"]
    parts += [f"```python\n{imported}\n```\n"] if imported is not None else []
    if not isinstance(node, ast.ClassDef):
        parts.append(f"`{_signature(node, title, returns=True)}`\n")
        return "\n".join([*parts, docstring(ast.get_docstring(node))])
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    made = next((one for one in methods if one.name == "__init__"), None)
    if made is not None and imported is not None:
        parts.append(f"`{_signature(made, node.name)}`\n")
    parts.append(docstring(ast.get_docstring(node)))
    if fields := [ast.unparse(one) for one in node.body if isinstance(one, ast.AnnAssign)]:
        parts.append("```python\n" + "\n".join(field for field in fields if not field.startswith("_")) + "\n```\n")
    for method in methods:
        if not method.name.startswith("_"):
            is_property = any(ast.unparse(one).endswith("property") for one in method.decorator_list)
            name = f".{method.name}"
            parts += [f"`{name if is_property else _signature(method, name, returns=True)}`\n"]
            parts.append(docstring(ast.get_docstring(method)))
    return "\n".join(parts)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, *, returns: bool = False) -> str:
    """As a caller writes it, without `self`."""
    shown = copy.deepcopy(node.args)
    if shown.args and shown.args[0].arg in ("self", "cls"):
        shown.args.pop(0)
    given = f" -> {ast.unparse(node.returns)}" if node.returns is not None and returns else ""
    return f"{name}({ast.unparse(shown)}){given}"


def _cards() -> Iterator[tuple[str, str]]:
    """Every package and what its first lines say of it."""
    for name in _PACKAGES:
        package = importlib.import_module(name)
        for module, text in _modules(package):
            if _is_package(package, module):
                yield module, ast.get_docstring(ast.parse(text)) or ""


def _is_package(package: ModuleType, module: str) -> bool:
    place = Path(package.__path__[0]).joinpath(*module.split(".")[1:])
    return (place / "__init__.py").is_file()


def _owned(text: str) -> str:
    return inspect.cleandoc(text).partition("\n\n")[0]
