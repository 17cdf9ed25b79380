"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.errors import ConfigError

CheckpointArgument = Annotated[Path, typer.Argument(metavar="CKPT", help="Folder of a checkpoint.")]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Folder per label, or a manifest (.jsonl, .csv).")]
SpeakerPatternOption = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Finds the speaker in file names, by its group `speaker` or its first one."),
]
SyntheticOption = Annotated[
    bool,
    typer.Option("--synthetic", help="Take synthetic clips too: to see that everything works, not how well it hears."),
]
AddressOption = Annotated[str, typer.Option(metavar="HOST:PORT", help="Address of the server.")]

DEFAULT_ADDRESS = "127.0.0.1:50551"


def keywords_from(text: str | None, option: str = "--keywords") -> tuple[str, ...] | None:
    """The keywords of a comma-separated list; none without one.

    Raises:
        ConfigError: the list is empty or holds an empty name.

    >>> keywords_from("yes, lights on")
    ('yes', 'lights on')
    """
    if text is None:
        return None
    keywords = tuple(part.strip() for part in text.split(","))
    if not all(keywords):
        raise ConfigError(f"{option} {text!r}: write them with commas between, for example yes,no,lights on")
    return keywords
