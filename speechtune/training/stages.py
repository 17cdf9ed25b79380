"""What training tells whoever waits for it: which stage it is in, how far, and how long each one took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable


class Progress(Protocol):
    """Told of every stage; a progress bar, a log, or `SILENT`."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` steps of `stage` are over; called with 0 first and with `total` last."""


@runtime_checkable
class LossListener(Protocol):
    """A `Progress` that wants to hear losses too."""

    def loss(self, stage: str, step: int, value: float) -> None:
        """The loss of `stage` after `step` steps, counted from 1."""


def tell_loss(progress: Progress, stage: str, step: int, value: float) -> None:
    """Tell a loss to whoever waits, if they want to hear of it."""
    if isinstance(progress, LossListener):
        progress.loss(stage, step, value)


def silent(stage: str, done: int, total: int) -> None:
    """A `Progress` that says nothing."""


class StageClock:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs inside towards `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
