"""`speechtune serve CKPT`: the gRPC server."""

from __future__ import annotations

from typing import Annotated

import typer

from speechtune.cli.options import DEFAULT_ADDRESS, CheckpointArgument


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(serve)


def serve(
    checkpoint: CheckpointArgument,
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Address to listen on.")] = DEFAULT_ADDRESS,
) -> None:
    """Serve a checkpoint over gRPC until SIGTERM or SIGINT."""
    from speechtune_server.app import run
    from speechtune_server.config import server_config

    name = checkpoint.resolve().name
    config = server_config(address=address, models={name: checkpoint})
    run(config, on_serving=lambda bound: typer.echo(f"serving {name} on {bound}", err=True))
