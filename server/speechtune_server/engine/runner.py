"""The threads that run the models. Nothing else does: the event loop never waits, and cores are not fought for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from speechtune.errors import ServiceNotReadyError

T = TypeVar("T")


class Runner:
    """Runs work in the order it came. Work that raises fails its own caller; the thread goes on.

    Args:
        num_threads: pieces of work that run at once.
        name: of the threads, for whoever looks at the process.
    """

    def __init__(self, num_threads: int = 1, name: str = "runner") -> None:
        self._num_threads = num_threads
        self._pending: set[Future[Any]] = set()
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix=f"speechtune-{name}")

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and give its result, or raise what it raised; what is cancelled in time never runs.

        Raises:
            ServiceNotReadyError: it is closed.
        """
        try:
            future = self._threads.submit(work)
        except RuntimeError as error:
            raise ServiceNotReadyError("the server is stopping; try again later, or another server") from error
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return await asyncio.wrap_future(future)

    @property
    def num_waiting(self) -> int:
        """Pieces of work that no thread has begun yet."""
        return max(len(self._pending) - self._num_threads, 0)

    async def close(self, max_seconds: float) -> bool:
        """Take no more work; what waits is dropped, and what is running is waited for so long.

        Returns:
            Whether all of it has ended; else a thread goes on, and the process cannot end by itself.
        """
        self._threads.shutdown(wait=False, cancel_futures=True)
        running = [asyncio.wrap_future(future) for future in tuple(self._pending)]
        if not running:
            return True
        ended, still_running = await asyncio.wait(running, timeout=max_seconds)
        await asyncio.gather(*ended, return_exceptions=True)  # who asked for it has been told
        return not still_running
