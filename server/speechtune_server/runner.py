"""The one thread that owns the models: nothing else runs them, so they need no locks and share one set of cores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Runner:
    """Runs one piece of work after the other. Work that raises fails its own caller; the thread goes on."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="speechtune-runner")

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread and give its result, or raise what it raised."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Take no more work; what is running is waited for, what waits is dropped."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
