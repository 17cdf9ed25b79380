"""`speechtune info CKPT`: what a checkpoint recognises and how it was made. Needs no torch."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from speechtune.audio.timebase import ms_from_samples
from speechtune.cli.options import CheckpointArgument


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(info)


def info(
    checkpoint: CheckpointArgument,
    as_json: Annotated[bool, typer.Option("--json", help="The whole description, for machines.")] = False,
) -> None:
    """Show what a checkpoint recognises and how it was made."""
    from speechtune.models.checkpoints.files import read_summary

    summary = read_summary(checkpoint)
    description = summary.description
    if as_json:
        typer.echo(json.dumps(description.model_dump(mode="json") | {"digest": summary.digest}, indent=2))
        return
    console = Console(markup=False)  # a negative may be called [[j'am]]
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column()
    facts.add_column(overflow="fold")  # digests are there to be copied
    facts.add_row("encoder", f"{description.encoder['name']} ({description.encoder['family']})")
    facts.add_row("window", f"{ms_from_samples(description.window_samples):.0f} ms")
    facts.add_row("negatives", ", ".join(description.negatives) or "none")
    facts.add_row("weights", f"{summary.num_weight_bytes / 1e6:.1f} MB")
    facts.add_row("digest", summary.digest)
    for name, value in description.training.items():
        facts.add_row(name.replace("_", " "), value if isinstance(value, str) else json.dumps(value))
    console.print(facts)
    table = Table("keyword", "threshold", box=None, pad_edge=False)
    for keyword in description.keywords:
        table.add_row(keyword, f"{description.thresholds[keyword]:.3f}")
    console.print(table)
