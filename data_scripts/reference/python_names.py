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

The names that these documents use. Each section gives the module that a name is imported from today.
"""
_NAMES = ("Recipe", "load_recipe", "TrainingData", "finetune", "FinetuneResult", "load_checkpoint", "Checkpoint",
          "Session", "run_session")  # fmt: skip
"""What is shown of the library, besides what `speechtune` itself offers."""
_PACKAGES_SAID = """Who may import whom stands in `pyproject.toml`, and `make contracts` checks it. Beside the packages
lie `data_scripts`, which import and make data, and `benchmarks`, which the figures come from.
"""
_CLIENT = "speechtune_client"
_PACKAGES = ("speechtune", "speechtune_server", _CLIENT)
_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def python_page() -> str:
    """The whole page."""
    client = importlib.import_module(_CLIENT)
    library = importlib.import_module(_PACKAGES[0])
    names = [*getattr(library, "__all__", ()), *_NAMES]
    found = _definitions(library)
    parts = [_INTRODUCTION, "## Library\n"]
    parts += [_section(*found[name]) for name in dict.fromkeys(names) if name in found]
    parts += ["## Client of devices\n", docstring(client.__doc__)]
    found = _definitions(client)
    parts += [_section(*found[name]) for name in client.__all__ if name in found]
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


def _definitions(package: ModuleType) -> dict[str, tuple[str, _Definition]]:
    """Name -> module and definition, of all classes and functions at the top of a module."""
    found: dict[str, tuple[str, _Definition]] = {}
    for module, text in _modules(package):
        if ".cli" in module:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, _Definition):
                found.setdefault(node.name, (module, node))
    return found


def _section(module: str, node: _Definition) -> str:
    parts = [f"### {node.name}\n", f"```python\nfrom {module} import {node.name}\n```\n"]
    if not isinstance(node, ast.ClassDef):
        parts.append(f"`{_signature(node)}`\n")
        return "\n".join([*parts, docstring(ast.get_docstring(node))])
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    made = next((one for one in methods if one.name == "__init__"), None)
    parts += [f"`{_signature(made, node.name)}`\n"] if made is not None else []
    parts.append(docstring(ast.get_docstring(node)))
    if fields := [ast.unparse(one) for one in node.body if isinstance(one, ast.AnnAssign)]:
        parts.append("```python\n" + "\n".join(field for field in fields if not field.startswith("_")) + "\n```\n")
    for method in methods:
        if not method.name.startswith("_"):
            is_property = any(ast.unparse(one) == "property" for one in method.decorator_list)
            title = f".{method.name}" if is_property else f".{_signature(method)}"
            parts += [f"`{title}`\n", docstring(ast.get_docstring(method))]
    return "\n".join(parts)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str | None = None) -> str:
    """As a caller writes it: without `self`, and for a class (`name`) without what its making returns."""
    shown = copy.deepcopy(node.args)
    if shown.args and shown.args[0].arg in ("self", "cls"):
        shown.args.pop(0)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None and name is None else ""
    return f"{name or node.name}({ast.unparse(shown)}){returns}"


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
