"""Work of many streams, done together: waits a little for company, then runs a batch.

A batch goes when it is full, or when its oldest request has waited long enough. While one batch runs the next one
gathers. A batch that fails fails the requests in it and no others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from speechtune_server.process.clock import Clock

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Request, Answer]):
    request: Request
    size: int
    since: float
    answer: asyncio.Future[Answer]


class MicroBatcher(Generic[Request, Answer]):
    """Gathers requests into batches.

    Args:
        run: answers a batch, one answer per request in their order.
        size_of: how much of a batch a request fills.
        max_size: a batch holds this much at most, except a single larger request.
        max_wait_seconds: a request waits this long at most for others.
        clock: tells the time.
    """

    def __init__(
        self,
        run: Callable[[list[Request]], Awaitable[Sequence[Answer]]],
        size_of: Callable[[Request], int],
        max_size: int,
        max_wait_seconds: float,
        clock: Clock,
    ) -> None:
        self._run = run
        self._size_of = size_of
        self._max_size = max_size
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock
        self._queue: deque[_Waiting[Request, Answer]] = deque()
        self._queued_size = 0
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, request: Request) -> Answer:
        """Have `request` answered in some batch; if the caller is cancelled it takes no further part.

        Raises:
            Exception: what the batch raised.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(request, self._size_of(request), self._clock.now(), answer)
        self._queue.append(waiting)
        self._queued_size += waiting.size
        if self._queued_size >= self._max_size:
            self._full.set()
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        return await answer

    @property
    def num_waiting(self) -> int:
        """Requests that are in no batch yet."""
        return len(self._queue)

    async def close(self) -> None:
        """Stop; requests that wait are cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._queue:
            self._queue.popleft().answer.cancel()

    async def _serve(self) -> None:
        # Ends when nothing waits, so that a model that nobody uses any more leaves nothing behind.
        while self._queue:
            await self._gather()
            batch = self._take()
            if batch:
                await self._answer(batch)
        self._task = None

    async def _gather(self) -> None:
        deadline = self._queue[0].since + self._max_wait_seconds
        while not self._full.is_set() and (remaining := deadline - self._clock.now()) > 0.0:
            await self._clock.wait(self._full, remaining)

    def _take(self) -> list[_Waiting[Request, Answer]]:
        batch: list[_Waiting[Request, Answer]] = []
        size = 0
        while self._queue and (not batch or size + self._queue[0].size <= self._max_size):
            waiting = self._queue.popleft()
            self._queued_size -= waiting.size
            if not waiting.answer.done():  # its caller may have gone
                batch.append(waiting)
                size += waiting.size
        if self._queued_size < self._max_size:
            self._full.clear()
        return batch

    async def _answer(self, batch: list[_Waiting[Request, Answer]]) -> None:
        try:
            answers = await self._run([waiting.request for waiting in batch])
            pairs = list(zip(batch, answers, strict=True))
        except asyncio.CancelledError:
            for waiting in batch:
                waiting.answer.cancel()
            raise
        except Exception as error:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(_for_one(error))
            return
        for waiting, answer in pairs:
            if not waiting.answer.done():
                waiting.answer.set_result(answer)


def _for_one(error: Exception) -> Exception:
    """The same error for one waiter alone.

    An error gathers the frames that it passes; one shared would hold those of other calls, and clearing them, as is
    done when a call has failed, would close what still runs there.
    """
    own = type(error).__new__(type(error), *error.args)
    own.__dict__.update(error.__dict__)
    own.__cause__ = error
    return own
