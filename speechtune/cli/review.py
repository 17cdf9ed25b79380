"""`speechtune review HITS --out DATA`: listen to what a server has kept; what it should have heard becomes clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from speechtune.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(review)


def review(
    hits: Annotated[
        Path, typer.Argument(metavar="HITS", help="Folder of `speechtune serve --keep-hits` or `speechtune mine`.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Data folder to add clips to; it keeps a manifest.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Review only hits of this kind: detection, or 'near miss'.")] = None,
    mute: Annotated[bool, typer.Option("--mute", help="Play nothing; show where each file is.")] = False,
    from_answers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='Ask nobody; lines such as {"id": …, "decision": "relabel", "label": "no"}.'),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show every hit as a line of JSON, and do nothing.")] = False,
) -> None:
    """Confirm, relabel or discard what a server has kept or speechtune mine cut out; the rest waits for the next time.

    What is decided leaves the folder of hits: confirmed and relabelled clips go to DATA, ready for
    `speechtune finetune DATA --from CKPT`, discarded ones are deleted. In a folder of speechtune mine, what is left for
    later stays a negative.
    """
    from rich.console import Console

    from speechtune.cli.terminal.review_session import Answers, Reviewer, TerminalReviewer, review_hits
    from speechtune.data.sets.folder_lock import sole_writer
    from speechtune_server.hits.files import read_hits

    waiting = [(hit, audio) for hit, audio in read_hits(hits) if kind in (None, hit.kind)]
    if list_:
        for hit, audio in waiting:
            typer.echo(json.dumps(hit.model_dump(mode="json") | {"audio": str(audio)}))
        return
    if out is None:
        raise ConfigError("review: say where the clips go, with --out DATA")
    console = Console()
    reviewer: Reviewer = (
        TerminalReviewer(console, mute=mute) if from_answers is None else Answers.read(from_answers, waiting)
    )
    with sole_writer(out):
        outcome = review_hits(hits, waiting, out, reviewer)
    console.print(
        f"{outcome.num_confirmed} confirmed, {outcome.num_relabelled} relabelled, {outcome.num_discarded} discarded, "
        f"{outcome.num_left} left for later"
        + (f", {outcome.num_gone} removed by the server meanwhile" if outcome.num_gone else ""),
        highlight=False,
    )
    if outcome.num_confirmed or outcome.num_relabelled:
        console.print(f"go on with: speechtune finetune {out} --from CKPT --out CKPT", highlight=False, soft_wrap=True)
