"""What every part of the code keeps to: sizes, names, room cards, and an import that costs nothing."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

from tests.support.processes import run_python
from tests.support.speech import REPOSITORY

PACKAGES = ("speechtune", "server/speechtune_server", "proto/speechtune_client")
SOURCES = sorted(
    path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py") if "_pb2" not in path.name
)
DRAWERS = {"util", "utils", "helper", "helpers", "common", "misc", "base", "core", "manager"}
MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 50


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_are_short_and_say_what_they_hold(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # What a function promises may take as long as it needs; what it does may not.
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            length = (node.end_lineno or 0) - first.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


def test_no_file_is_a_drawer() -> None:
    assert not [name_of(path) for path in SOURCES if path.stem in DRAWERS]


def test_every_package_has_a_room_card() -> None:
    cards = [path for path in SOURCES if path.name == "__init__.py" and path.parent.name != "v1"]
    lacking = [name_of(card) for card in cards if "mport" not in (ast.get_docstring(ast.parse(card.read_text())) or "")]
    assert not lacking


def test_the_runtime_of_the_models_reports_to_nobody(tmp_path: Path) -> None:
    """Where it does, it first leaves an identifier and a store of events in the user's cache."""
    program = """
    import os
    for name in ("ORT_DISABLE_TELEMETRY", "CI"):
        os.environ.pop(name, None)
    from speechtune.streaming.voice.activity import SileroActivity
    SileroActivity()
    """
    run_python(program, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert not list(tmp_path.rglob("*"))


def test_importing_the_library_and_its_help_costs_neither_torch_nor_grpc() -> None:
    program = """
    import sys
    import speechtune, speechtune.cli.app, speechtune.streaming.session, speechtune.evaluation.reports.terminal
    heavy = {"torch", "transformers", "grpc", "datasets", "librosa", "onnxruntime"} & set(sys.modules)
    assert not heavy, heavy
    """
    run_python(program)


WITH_EXAMPLES = [
    path
    for path in (*SOURCES, *sorted((REPOSITORY / "data_scripts").rglob("*.py")))
    if path.name != "front.py"  # its examples need a folder with clips in it: tests/test_front.py
    and re.search(r"^\s*>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=name_of)
def test_examples_in_docstrings_are_true(path: Path) -> None:
    relative = path.relative_to(REPOSITORY).with_suffix("")
    parts = [part for part in relative.parts if part not in ("server", "proto", "__init__")]
    result = doctest.testmod(importlib.import_module(".".join(parts)))
    assert result.attempted > 0
    assert result.failed == 0


def test_the_repository_names_no_machine_and_no_registry() -> None:
    odd = re.compile(r"(?<![\w./-])/(?:work|farm|root)/|py" + r"pi\.org|python" + r"hosted|registry\.npm" + "js")
    files = [
        *SOURCES,
        *REPOSITORY.glob("*.*"),
        *REPOSITORY.glob("data_scripts/*.py"),
        *REPOSITORY.glob("tests/**/*.py"),
    ]
    named = [
        name_of(path)
        for path in files
        if path.is_file() and path.name != ".git" and odd.search(path.read_text(encoding="utf-8"))
    ]
    assert not named
