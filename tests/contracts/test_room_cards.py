"""The "Imports:" line of every package's card names exactly what the package imports.

Another package of ours is named as a whole, a neighbouring room by itself, and the single modules of a package by the
package's own name. The standard library is left out.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest

from tests.support.speech import REPOSITORY

ROOTS = {"speechtune": REPOSITORY / "speechtune", "speechtune_server": REPOSITORY / "server" / "speechtune_server"}
OURS = (*ROOTS, "speechtune_client")
CARDS = {
    ".".join((root, *path.parent.relative_to(folder).parts)): path
    for root, folder in ROOTS.items()
    for path in sorted(folder.rglob("__init__.py"))
}


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*OURS, include_external_packages=True, cache_dir=None)


def shown_in(package: str, module: str) -> str:
    """What a card of `package` calls `module`."""
    parts, own = module.split("."), package.split(".")
    if parts[0] != own[0]:
        return parts[0]
    depth = 3 if len(own) > 1 and parts[:2] == own[:2] else 2
    place = ".".join(parts[:depth])
    return place if place in CARDS else ".".join(parts[: depth - 1])


def imported_by(package: str) -> set[str]:
    graph = imports()
    inside = {package} | graph.find_descendants(package)
    found = {other for module in inside for other in graph.find_modules_directly_imported_by(module)} - inside
    return {shown_in(package, other) for other in found if other.split(".")[0] not in sys.stdlib_module_names}


def named_by(card: Path) -> set[str]:
    text = ast.get_docstring(ast.parse(card.read_text(encoding="utf-8"))) or ""
    found = re.search(r"^Imports: (.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{card}: has no line that begins with Imports:"
    return set(re.findall(r"`([\w.]+)`", found[1]))


@pytest.mark.parametrize("package", CARDS)
def test_a_room_card_names_what_its_room_imports(package: str) -> None:
    named, imported = named_by(CARDS[package]), imported_by(package)
    assert sorted(named) == sorted(imported)
