"""`speechtune demo`: the whole journey on synthesised commands, with no microphone and no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import check_out_folder
from speechtune.extras import need


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for everything that is made.")] = Path("demo-out"),
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Your own clips, a folder for each command. Defaults to commands that are synthesised."
        ),
    ] = None,
) -> None:
    """Fine-tune, evaluate, serve and stream a few commands, and compare what was heard with what was said.

    It takes a few minutes, and needs neither a microphone nor a network.
    """
    need("demo", "train", "demo")
    check_out_folder(out)

    from speechtune.demo import run

    if code := run(out, data):
        raise typer.Exit(code)
