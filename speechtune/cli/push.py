"""`speechtune push CKPT ORGANISATION/NAME`: a checkpoint on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.extras import need


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(push)


def push(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CKPT", help="Folder of a checkpoint, or one that `export --format transformers` wrote."
        ),
    ],
    repository: Annotated[
        str, typer.Argument(metavar="ORGANISATION/NAME", help="The repository; it is made if it is not there.")
    ],
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public", help="Who may see a new repository. Defaults to what the organisation has set."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="What `speechtune evaluate --out DIR` wrote about this checkpoint, for its card."
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Id on the hub of what it learnt from. May be given several times."),
    ] = None,
    message: Annotated[str | None, typer.Option(help="Message of the commit.")] = None,
) -> None:
    """Upload a checkpoint to the Hugging Face hub, with its card.

    The token is that of the variable HF_TOKEN, or of the login that `hf auth login` keeps.
    """
    need("push", "train")
    from speechtune.front import push_to_hub

    typer.echo(
        push_to_hub(checkpoint, repository, private=private, report=report, datasets=dataset or (), message=message)
    )
