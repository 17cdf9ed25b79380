"""Progress bars of long stages, on standard error so that output can be piped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from speechtune.training.stages import Progress as StageProgress


@contextmanager
def progress_bars() -> Iterator[StageProgress]:
    """Show one bar per stage while the body runs; on something that is no terminal, one line per finished stage."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=False, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


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
