"""The verbs together, and how an error ends the program: one line, exit 2 for the input's fault, 1 for ours."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from speechtune import __version__
from speechtune.cli import (
    add,
    check_export,
    compare,
    demo,
    doctor,
    evaluate,
    exchange,
    export,
    finetune,
    info,
    inspect,
    loadtest,
    mine,
    push,
    recognize,
    record,
    review,
    search,
    serve,
    serve_key,
    split,
    stream,
    studio,
    synthesize,
    threshold,
)
from speechtune.cli.terminal.interrupts import Interrupted
from speechtune.errors import SpeechTuneError
from speechtune.extras import missing_extra

_INTERRUPTED = 130  # as a shell has it: 128 and the signal's number
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # click's, which newer typers carry under another name

app = typer.Typer(
    name="speechtune",
    help="Fine-tune a pretrained speech encoder on a few recordings of each command, measure it, serve it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for verb in (
    demo,
    record,
    inspect,
    split,
    synthesize,
    exchange,
    finetune,
    add,
    search,
    evaluate,
    compare,
    threshold,
    mine,
    recognize,
    serve,
    serve_key,
    stream,
    studio,
    review,
    info,
    export,
    check_export,
    push,
    loadtest,
    doctor,
):
    verb.register(app)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")] = False,  # noqa: ARG001
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return the exit code."""
    debug = "--debug" in arguments
    try:
        # Options of the whole program may stand anywhere: a user who meets an error adds --debug at the end.
        rest = [argument for argument in arguments if argument != "--debug"]
        code = app(args=rest, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`speechtune recognize … | head`): that is its right, and no error.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the interpreter flushes it on its way out
        return 0
    except Exception as error:
        return _report(*_told(error), debug)
    if code == _INTERRUPTED:  # typer too answers with it, and says nothing
        return _report("interrupted", _INTERRUPTED, debug=False)
    return code if isinstance(code, int) else 0


def _told(error: Exception) -> tuple[str, int]:
    """What is said of an error, and the exit code."""
    if isinstance(error, ModuleNotFoundError):
        error = missing_extra(error) or error
    if isinstance(error, SpeechTuneError):
        return str(error), error.exit_code
    if isinstance(error, Interrupted):
        return str(error), _INTERRUPTED
    if isinstance(error, _UsageError):
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        return f"{message} (see: speechtune --help)", 2
    if isinstance(error, OSError) and isinstance(error.filename, str | bytes | os.PathLike):
        return f"{os.fsdecode(error.filename)}: {error.strerror or error}; correct the path, or who may use it", 2
    return f"internal error: {type(error).__name__}: {error} (run again with --debug)", 1


def _report(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"speechtune: {' '.join(message.split())}", file=sys.stderr)
    return code
