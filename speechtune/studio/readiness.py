"""Why no training can begin yet, as something a page can say in any language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from speechtune.data.choice.selection import MIN_KEYWORD_CLIPS
from speechtune.studio.project import Plan

ObstacleKind = Literal["no_commands", "no_takes", "too_few_takes"]


@dataclass(frozen=True)
class Obstacle:
    """What must be done before a training.

    Attributes:
        kind: what is lacking.
        label: the command that it is about; None: all of them.
        number: how many there must be.
    """

    kind: ObstacleKind
    label: str | None = None
    number: int = 1


def obstacles(plan: Plan, num_clips: Mapping[str, int]) -> tuple[Obstacle, ...]:
    """Everything that is lacking, the first thing first; none: a training can begin.

    Args:
        plan: the commands.
        num_clips: label -> clips to learn from.

    >>> [one.kind for one in obstacles(Plan(commands=("on", "off")), {"on": 3})]
    ['no_takes']
    """
    if not plan.commands:
        return (Obstacle("no_commands"),)
    lacking = tuple(Obstacle("no_takes", label) for label in plan.commands if not num_clips.get(label))
    if lacking:
        return lacking
    if sum(num_clips[label] for label in plan.commands) < MIN_KEYWORD_CLIPS:
        return (Obstacle("too_few_takes", plan.commands[0], MIN_KEYWORD_CLIPS),)
    return ()
