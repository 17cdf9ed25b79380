"""`speechtune check-export FILE [--outputs THEIR.npz]`: an exported file, and a port of it, layer by layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from speechtune.models.golden.check import ExportCheck
    from speechtune.models.golden.comparison import LayerCheck


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check-export")(check_export)


def check_export(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="An exported .onnx file.")],
    golden: Annotated[
        Path | None,
        typer.Option(metavar="NPZ", help="The golden vectors. Defaults to FILE's name with .golden.npz."),
    ] = None,
    outputs: Annotated[
        Path | None,
        typer.Option(
            metavar="NPZ",
            help="What a port gives for the golden waveforms: arrays called like the layers, as many as it has.",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="TIMES", help="Multiplies the tolerances; half precision needs about 20.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON, for machines.")] = False,
) -> None:
    """Check an exported file with onnxruntime against its golden vectors, and a port of it with what it gave.

    The exit code is 0 where every layer is within its tolerance, and 1 where one is not. The first layer that differs
    is where a port goes wrong: all before it are right.
    """
    from rich.console import Console

    from speechtune.models.golden.check import check_export as check

    found = check(model, golden, outputs, scale=tolerance)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
    else:
        console = Console(markup=False)
        _show(console, f"{model} by onnxruntime", found.file, tolerance)
        if found.port is not None:
            _show(console, str(outputs), found.port, tolerance)
        for note in found.notes:
            console.print(f"note: {note}", style="yellow", highlight=False)
    if not found.is_right:
        raise typer.Exit(1)


def _show(console: Console, title: str, checks: tuple[LayerCheck, ...], scale: float) -> None:
    from rich.table import Table

    from speechtune.models.golden.comparison import first_problem

    table = Table("layer", "largest difference", "tolerance", "", box=None, pad_edge=False)
    for check in checks:
        shown = "–" if check.difference is None else f"{check.difference:.2g}"
        verdict = "wrong" if check.problem else "right" if check.is_given else "not given"
        smallest, largest = check.layer.tolerances.min() * scale, check.layer.tolerances.max() * scale
        allowed = f"{smallest:.2g}" if smallest == largest else f"{smallest:.2g} to {largest:.2g}"
        table.add_row(check.layer.name, shown, allowed, verdict)
    console.print(title, highlight=False)
    console.print(table)
    wrong = first_problem(checks)
    if wrong is None:
        console.print("every layer that is given is right", highlight=False)
    else:
        console.print(f"the first that is wrong: {wrong.layer.name} {wrong.problem}", highlight=False, soft_wrap=True)


def _as_json(found: ExportCheck) -> dict[str, object]:
    def rows(checks: tuple[LayerCheck, ...]) -> list[dict[str, object]]:
        return [
            {
                "layer": check.layer.name,
                "given": check.is_given,
                "largest_difference": check.difference,
                "problem": check.problem,
            }
            for check in checks
        ]

    return {
        "right": found.is_right,
        "file": rows(found.file),
        "port": None if found.port is None else rows(found.port),
        "notes": list(found.notes),
    }
