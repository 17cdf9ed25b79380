"""The page of the command line: every verb with its arguments and options, as `--help` tells them."""

from __future__ import annotations

import inspect
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer.main

from data_scripts.reference.markdown import table
from speechtune.cli.app import app

_INTRODUCTION = """# Command line

`speechtune VERB --help` says the same as this page. An input's fault ends with one line and exit code 2, a fault of
speechtune with exit code 1; `--debug` shows the whole trace of either.
"""


def verbs() -> dict[str, Any]:
    """Every verb by its name, as a command of click; in the order of the program."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def command_line_page() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(_section(name, command) for name, command in verbs().items())])


def _section(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and "--help" not in one.opts]
    usage = " ".join(["speechtune", name, *map(_argument_name, arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"## {name}\n", f"```text\n{usage}\n```\n", inspect.cleandoc(command.help or "") + "\n"]
    if arguments:
        parts.append(table(["argument", "what"], [[f"`{_argument_name(one)}`", one.help or ""] for one in arguments]))
    if options:
        rows = [[_option_name(one), _default(one), one.help or ""] for one in options]
        parts.append(table(["option", "default", "what"], rows))
    return "\n".join(parts)


def _argument_name(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option_name(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or _kind(option)}"
    return f"`{option.opts[0]}{value}`"


def _kind(option: Any) -> str:
    """What a value looks like, where the verb gives it no name: its choices, or its type."""
    annotation = option.type_descriptor.annotation
    kind = next((one for one in (*get_args(annotation), annotation) if isinstance(one, type)), str)
    if issubclass(kind, Enum):
        return "/".join(str(choice.value) for choice in kind)
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")


def _default(option: Any) -> str:
    if option.required:
        return "required"
    value = getattr(option.default, "value", option.default)
    return "" if value is None or value is False or value == [] or callable(value) else f"`{value}`"
