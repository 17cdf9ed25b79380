"""The threads that run the models. Nothing else does: the event loop never waits, and cores are not fought for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Runner:
    """Runs work in the order it came. Work that raises fails its own caller; the thread goes on.

    Args:
        num_threads: pieces of work that run at once.
        name: of the threads, for whoever looks at the process.
    """

    def __init__(self, num_threads: int = 1, name: str = "runner") -> None:
        self._num_threads = num_threads
        self._num_pending = 0
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix=f"speechtune-{name}")

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and give its result, or raise what it raised; what is cancelled in time never runs."""
        self._num_pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._num_pending -= 1

    @property
    def num_waiting(self) -> int:
        """Pieces of work that no thread has begun yet."""
        return max(self._num_pending - self._num_threads, 0)

    async def close(self) -> None:
        """Take no more work; what is running is waited for, what waits is dropped."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
