"""What `speechtune --help` costs: nothing that a verb alone needs is imported for it."""

from __future__ import annotations

import pytest

from tests.support.processes import run_python

HEAVY = ("torch", "numpy", "onnxruntime", "grpc", "rich", "asyncio", "soundfile", "scipy", "transformers")
COERCION = ("pydantic",)  # typer's own, as soon as an option has a value


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["--help"], (*HEAVY, *COERCION)),
        (["--version"], HEAVY),
        (["finetune", "--help"], HEAVY),
        (["evaluate", "--help"], HEAVY),
    ],
)
def test_help_imports_neither_models_nor_arrays_nor_tables(arguments: list[str], spared: tuple[str, ...]) -> None:
    program = f"""
    import sys
    from speechtune.cli.app import run
    assert run(sys.argv[1:]) == 0
    heavy = set({spared}) & set(sys.modules)
    assert not heavy, heavy
    """
    shown = run_python(program, arguments=arguments)
    assert shown.strip()
