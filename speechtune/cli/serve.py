"""`speechtune serve CKPT`: the gRPC server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from speechtune.cli.options import MODEL_HELP
from speechtune.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(serve)


def serve(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(metavar="[CKPT]", help=f"{MODEL_HELP}."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings as TOML; an option counts more than the setting.")
    ] = None,
    address: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Address to listen on.")] = None,
    websocket: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address to take WebSockets on too, for browsers.")
    ] = None,
    websocket_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Origin whose pages may connect; those of the same host may anyway; repeatable."
        ),
    ] = None,
    wyoming: Annotated[
        str | None,
        typer.Option(metavar="URI", help="tcp://HOST:PORT to take Wyoming on too, for Home Assistant; it has no keys."),
    ] = None,
    wyoming_zeroconf: Annotated[
        str | None, typer.Option(metavar="NAME", help="Tell the local network of it under this name.")
    ] = None,
    allow_plaintext: Annotated[
        bool, typer.Option("--allow-plaintext", help="Listen without TLS beyond this machine; anybody could listen in.")
    ] = False,
    backend: Annotated[str | None, typer.Option(help="auto, torch, torch-bf16, onnx or onnx-int8.")] = None,
    keep_hits: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the audio of detections and near misses, for review.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="text, or json: one object a line.")] = None,
) -> None:
    """Serve a checkpoint over gRPC, and over other doors where they are asked for, until SIGTERM or SIGINT."""
    from speechtune.models.checkpoints.hub import hub_name, local_folder
    from speechtune.models.opened import is_exported
    from speechtune_server.app import run
    from speechtune_server.process.config import load_server_config
    from speechtune_server.process.logs import LogFormat

    given: dict[str, Any] = {
        "address": address,
        "websocket_address": websocket,
        "websocket_origins": websocket_origin or None,
        "wyoming_uri": wyoming,
        "wyoming_zeroconf": wyoming_zeroconf,
        "allow_plaintext": allow_plaintext or None,
        "backend": backend,
        "keep_hits": keep_hits,
        "log_format": log_format,
    }
    if checkpoint is not None:
        resolved, named = checkpoint.resolve(), hub_name(checkpoint)
        name = resolved.stem if is_exported(resolved) else resolved.name
        given["models"] = {name if named is None else named.name: local_folder(checkpoint)}
    elif config is None:
        raise ConfigError("serve: nothing to serve; give a checkpoint, or --config FILE with a table [models]")
    settings = load_server_config(config, {key: value for key, value in given.items() if value is not None})
    names = ", ".join(settings.models)

    def on_serving(bound: str) -> None:
        if settings.log_format is not LogFormat.JSON:  # there every line is an object, and one of them says it
            typer.echo(f"serving {names} on {bound}", err=True)

    run(settings, on_serving)
