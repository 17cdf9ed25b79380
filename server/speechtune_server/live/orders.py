"""What a client may ask of its stream between two pieces of audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from speechtune.streaming.config import CommandRule


@dataclass(frozen=True)
class Flush:
    """Decide now on the audio before this."""


@dataclass(frozen=True)
class Reset:
    """Forget the audio before this."""


@dataclass(frozen=True)
class UpdateCommands:
    """Report these keywords in the audio after this; none: all."""

    commands: tuple[CommandRule, ...]


Order: TypeAlias = Flush | Reset | UpdateCommands
