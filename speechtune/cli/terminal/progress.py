"""Progress of long stages, with the time that is left, on standard error so that output can be piped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from speechtune.training.stages import Progress as StageProgress


@contextmanager
def progress_bars(
    console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[StageProgress]:
    """Show one bar per stage while the body runs: how much is done, since when, and how long it still takes.

    A stage of one step has no end in sight; its bar only moves. On something that is no terminal nothing is shown.

    Args:
        console: where to. Defaults to standard error.
        clock: gives seconds.
    """
    console = Console(stderr=True) if console is None else console
    columns = (
        TextColumn("{task.description:<15}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        _TimeLeftColumn(),
    )
    with Progress(*columns, console=console, get_time=clock, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            known = total if total > 1 or done else None
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=known)
            elif done == 0:  # the stage comes a second time
                bars.reset(tasks[stage], total=known)
            bars.update(tasks[stage], completed=done, total=known)

        yield report


class _TimeLeftColumn(ProgressColumn):
    """The time that the stage still takes, in words; nothing before that can be told, or when it is over."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """One cell of the table of bars."""
        left = task.time_remaining
        if task.finished or left is None:
            return Text("")
        return Text(f"about {duration(left)} left", style="progress.remaining")


def duration(seconds: float) -> str:
    """A length of time as people say it, no finer than it matters.

    >>> duration(8.2), duration(95), duration(4_000)
    ('9 s', '1 min 35 s', '1 h 6 min')
    """
    whole = -int(-seconds // 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"


class StageBars:
    """The bars of stages between which something is printed: close them before, and the next stage opens new ones."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._report: StageProgress | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how much of a stage is done."""
        if self._report is None:
            self._report = self._stack.enter_context(progress_bars())
        self._report(stage, done, total)

    def close(self) -> None:
        """Leave the bars as they are; what is printed stands below them."""
        self._stack.close()
        self._report = None
