"""`speechtune serve-key NAME`: a new API key for a server; the secret is shown once and kept nowhere."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from speechtune.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("serve-key")(serve_key)


def serve_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom the key is for: letters, digits, - and _.")],
    scope: Annotated[list[str] | None, typer.Option(help="recognise (the default) or admin; may be repeated.")] = None,
    rate: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="How many calls a minute the key allows. Defaults to no limit."),
    ] = None,
) -> None:
    """Make an API key: the table for the server's file of keys on stdout, the secret for the client on stderr."""
    from speechtune_server.process.access import Scope, new_key

    if not _NAME.fullmatch(name):
        raise ConfigError(f"serve-key {name!r}: use 1 to 64 letters, digits, '-' and '_'")
    try:
        scopes = frozenset(Scope(one) for one in scope or ["recognise"])
    except ValueError as error:
        raise ConfigError(f"--scope: {error}; use {' or '.join(one.value for one in Scope)}") from error
    secret, key = new_key(scopes)
    lines = [f"[keys.{name}]", f'salt = "{key.salt}"', f'sha256 = "{key.sha256}"']
    lines.append("scopes = [" + ", ".join(f'"{one.value}"' for one in sorted(scopes, key=lambda one: one.value)) + "]")
    if rate is not None:
        lines.append(f"calls_per_minute = {rate}")
    typer.echo("\n".join(lines) + "\n")
    typer.echo(
        f"the client's key, shown only now (append the table to the server's keys file):\n{name}.{secret}", err=True
    )
