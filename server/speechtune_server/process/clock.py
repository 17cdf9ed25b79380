"""Wall-clock time, in one place, so that a test can put its own in its stead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Protocol, TypeVar

Answer = TypeVar("Answer")


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> float:
        """Seconds from some fixed point; never runs backwards."""

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Return once `event` is set or `seconds` have passed."""


class MonotonicClock:
    """The machine's own."""

    def now(self) -> float:
        """Seconds from some fixed point; never runs backwards."""
        return time.monotonic()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Return once `event` is set or `seconds` have passed."""
        try:
            await within(seconds, event.wait())
        except TimeoutError:
            return


async def within(seconds: float | None, work: Awaitable[Answer]) -> Answer:
    """What `work` gives, or raises; after so many seconds it is cancelled. None: it may take for ever.

    `asyncio.wait_for` makes a task of the work, which every message of every stream would pay for, and swallows a
    cancellation that comes in the moment in which the work ends (before Python 3.12): a stream whose client has gone
    would then wait for more audio, for ever.

    Raises:
        asyncio.TimeoutError: it took longer.
    """
    if seconds is None:  # every message comes by here, and a time-out that never comes costs as much as another
        return await work
    async with asyncio.timeout(seconds):
        return await work
