"""The command line: one verb per stage, one file per verb.

Owns: options, progress bars, tables, exit codes. Does not own: any work; every verb calls one function of the library.
Imports: `grpc`, `numpy`, `psutil`, `pydantic`, `rich`, `sounddevice`, `starlette`, `torch`, `typer`, `speechtune`,
`speechtune.audio`, `speechtune.data`, `speechtune.evaluation`, `speechtune.models`, `speechtune.record`,
`speechtune.remote`, `speechtune.streaming`, `speechtune.studio`, `speechtune.training`, `speechtune_client`,
`speechtune_server`.

At start only typer is imported; torch, numpy, rich and the rest inside the verb that needs them, so that `--help` is
quick.
"""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line with the arguments of this process, and exit."""
    from speechtune.cli.app import run

    for shown in (sys.stdout, sys.stderr):
        if isinstance(shown, io.TextIOWrapper):
            shown.reconfigure(
                errors="backslashreplace"
            )  # a file's name may be no text, and is to be named all the same
    sys.exit(run(sys.argv[1:]))
