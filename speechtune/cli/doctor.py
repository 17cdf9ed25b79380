"""`speechtune doctor`: what this machine is and what is installed, in one page to paste into an issue."""

from __future__ import annotations

import typer

from speechtune import __version__


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(doctor)


def doctor() -> None:
    """Tell versions, devices, cores, instructions, and what is installed and missing: a page to paste into an issue.

    It names no path and no user, and changes nothing.
    """
    from speechtune.doctor import as_text, examine

    typer.echo(as_text(examine(__version__)))
