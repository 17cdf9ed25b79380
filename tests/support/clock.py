"""A clock that stands still until it is told to go on."""

from __future__ import annotations

import asyncio


class ScriptedClock:
    """Stands at 0 seconds at first."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        until = self.time + seconds
        while self.time < until and not event.is_set():
            await asyncio.sleep(0)
