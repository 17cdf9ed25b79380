"""What the command line sets for single commands of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.errors import ConfigError
from speechtune.names import composed

if TYPE_CHECKING:
    from speechtune_client import CommandClient, CommandRule

RefractoryOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COMMAND=MS",
        help="Do not report this command again within so many milliseconds; 0 reports it each time it is said. "
        "Defaults to what the model was trained with. May be given several times.",
    ),
]

_MOST_MS = 60_000


def stream_rules(client: CommandClient, model: str, refractory: Sequence[str]) -> tuple[CommandRule, ...]:
    """All commands of a server's model, some with a refractory time of their own; none where none has one.

    Args:
        client: connected to the server.
        model: as a stream asks for it; "": the default.
        refractory: COMMAND=MS each.

    Raises:
        ConfigError: one is written in another way, or names no command of the model.
    """
    from speechtune_client import CommandRule

    wanted = dict(map(_parsed, refractory))
    if not wanted:
        return ()
    name = model.partition("@")[0]
    served = next((one for one in client.list_models() if (one.name == name if name else one.is_default)), None)
    if served is None:
        return ()  # which the stream itself is told
    known = [rule.label for rule in served.commands]
    if unknown := [label for label in wanted if label not in known]:
        raise ConfigError(f"--refractory: {', '.join(unknown)}: no command of the model; it has: {', '.join(known)}")
    return tuple(CommandRule(label, refractory_ms=wanted.get(label)) for label in known)


def _parsed(text: str) -> tuple[str, int]:
    """A command and its refractory time.

    >>> _parsed("lights on=0")
    ('lights on', 0)
    """
    label, separator, number = text.rpartition("=")
    if not separator or not label or not number.strip().isdecimal() or int(number) > _MOST_MS:
        raise ConfigError(f"--refractory {text!r}: write COMMAND=MS, from 0 to {_MOST_MS}, for example next=0")
    return composed(label.strip()), int(number)
