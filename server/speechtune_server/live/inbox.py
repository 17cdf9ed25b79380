"""The audio and the orders of one stream that wait to be listened to: bounded, in order, with the time they came.

Chunks are joined as they come, so a client that sends single bytes costs no more than one that sends seconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import Generic, TypeVar

from speechtune.errors import ServiceOverloadedError

_MAX_ORDERS = 256
_MARKS_PER_SECOND = 100
"""Arrival times are kept this finely; audio that came closer together counts as come with the first of it."""


Order = TypeVar("Order")


class EndReason(Enum):
    """Why a stream takes no more audio."""

    CLIENT_FINISHED = "client finished"
    DRAINING = "draining"
    MAX_DURATION = "max duration"
    IDLE = "idle"


class Inbox(Generic[Order]):
    """Bytes and orders in, bytes and orders out, positions counted from the first byte of the stream.

    Args:
        max_bytes: received and not yet processed; more is refused.
        bytes_per_second: of the stream's audio.
    """

    def __init__(self, max_bytes: int, bytes_per_second: int) -> None:
        self.end_reason: EndReason | None = None
        self.num_received = 0
        self._max_bytes = max_bytes
        self._mark_bytes = max(bytes_per_second // _MARKS_PER_SECOND, 1)
        self._waiting = bytearray()
        self._orders: deque[tuple[int, Order]] = deque()
        self._num_taken = 0
        self._num_processed = 0
        self._marks: deque[tuple[int, float]] = deque()
        self._mark_start = 0
        self._news = asyncio.Event()

    def put(self, content: bytes, now: float) -> None:
        """Add audio that came at `now`; after the end it is left unheard.

        Raises:
            ServiceOverloadedError: more is waiting than the limit allows.
        """
        if self.end_reason is not None or not content:
            return
        in_flight = self.num_received + len(content) - self._num_processed
        if in_flight > self._max_bytes:
            raise ServiceOverloadedError(
                f"{in_flight} bytes of audio are received and not yet processed, {self._max_bytes} are the limit: "
                "send no faster than the audio lasts, or wait for audio_processed to follow"
            )
        self._waiting += content
        self.num_received += len(content)
        if self._marks and self.num_received - self._mark_start <= self._mark_bytes:
            self._marks[-1] = (self.num_received, self._marks[-1][1])
        else:
            self._mark_start = self.num_received - len(content)
            self._marks.append((self.num_received, now))
        self._news.set()

    def put_order(self, order: Order) -> None:
        """Add an order, to be followed between the audio before and after it; after the end it is left unheard.

        Raises:
            ServiceOverloadedError: too many are waiting.
        """
        if self.end_reason is not None:
            return
        if len(self._orders) >= _MAX_ORDERS:
            raise ServiceOverloadedError(f"{_MAX_ORDERS} orders wait to be followed, which is the limit: send fewer")
        self._orders.append((self.num_received, order))
        self._news.set()

    def take_order(self) -> Order | None:
        """The order that is due here: all audio before it was taken."""
        if self._orders and self._orders[0][0] <= self._num_taken:
            return self._orders.popleft()[1]
        return None

    def end(self, reason: EndReason) -> None:
        """Take no more audio; the first reason counts."""
        if self.end_reason is None:
            self.end_reason = reason
            self._news.set()

    def cut(self, reason: EndReason) -> None:
        """End here: what still waits is left unheard. All heard and ended already: nothing changes."""
        if self._waiting or self._orders or self.end_reason is None:
            self.end_reason = reason
            self._waiting.clear()
            self._orders.clear()

    def wake(self) -> None:
        """Let a `take` that waits return with nothing."""
        self._news.set()

    async def take(self, max_bytes: int) -> bytes:
        """The next audio before the next order, at most `max_bytes`; nothing when woken, at an order or at the end."""
        if not self._waiting and not self._orders and self.end_reason is None:
            await self._news.wait()
        self._news.clear()
        if self._orders:
            max_bytes = min(max_bytes, self._orders[0][0] - self._num_taken)
        content = bytes(self._waiting[:max_bytes])
        del self._waiting[:max_bytes]
        self._num_taken += len(content)
        return content

    @property
    def is_exhausted(self) -> bool:
        """Whether everything was taken and nothing more comes."""
        return self.end_reason is not None and not self._waiting and not self._orders

    def processed(self, position: int) -> None:
        """Bytes before `position` are done with: they no longer count as in flight."""
        self._num_processed = max(self._num_processed, min(position, self.num_received))
        while len(self._marks) > 1 and self._marks[0][0] < self._num_processed:
            self._marks.popleft()

    def arrival(self, position: int) -> float | None:
        """When the byte before `position` came; None where nothing came yet. For what is not long processed."""
        for end, time in self._marks:
            if end >= position:
                return time
        return self._marks[-1][1] if self._marks else None
