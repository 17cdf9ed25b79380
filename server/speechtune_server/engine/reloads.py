"""Reloads that are asked for while one runs: all of them are one more, after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


class Reloads:
    """Asks for `reload`, one at a time.

    Args:
        reload: what is to be done; what it raises is logged, and the next one may be asked for.
    """

    def __init__(self, reload: Callable[[], Awaitable[None]]) -> None:
        self._reload = reload
        self._is_wanted = False
        self._is_over = False
        self._running: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Reload now, or once more after what runs; returns at once."""
        if self._is_over:
            return
        self._is_wanted = True
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Begin no other one, and leave the one that runs; it replaces nothing any more."""
        self._is_over, self._is_wanted = True, False
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._is_wanted:
                self._is_wanted = False
                try:
                    await self._reload()
                except Exception:
                    _log.exception("the reload failed; what is served stays as it is")
        finally:
            self._running = None
