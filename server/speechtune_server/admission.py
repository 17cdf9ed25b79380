"""Who may come in: whether the server takes calls at all, and how many at once. The counts are exact."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

from speechtune.errors import ServiceNotReadyError, ServiceOverloadedError


class ServiceState(Enum):
    """What the server is doing."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Drainable(Protocol):
    """A running stream, as far as stopping it is concerned."""

    def warn(self, seconds: float) -> None:
        """Tell the client that the stream is going to end in `seconds`."""

    def drain(self) -> None:
        """Take no more audio; finish what was received, then end."""


class Admission:
    """Counts the calls that are being worked on.

    Args:
        max_streams: streams open at once.
        max_clips: clips worked on at once.
        max_streams_per_client: streams of one client open at once; None: no more than of all.
    """

    def __init__(self, max_streams: int, max_clips: int, max_streams_per_client: int | None = None) -> None:
        self.state = ServiceState.STARTING
        self.idle = asyncio.Event()
        """Set while nothing is being worked on."""
        self.idle.set()
        self._max_streams = max_streams
        self._max_clips = max_clips
        self._max_streams_per_client = max_streams_per_client or max_streams
        self._streams_of: Counter[str] = Counter()
        self._num_streams = 0
        self._num_clips = 0
        self._running: set[Drainable] = set()

    @property
    def num_streams(self) -> int:
        """Streams open now."""
        return self._num_streams

    @property
    def num_calls(self) -> int:
        """Streams and clips being worked on now."""
        return self._num_streams + self._num_clips

    @property
    def running(self) -> tuple[Drainable, ...]:
        """The streams that have started."""
        return tuple(self._running)

    def check_serving(self) -> None:
        """Let a call through if the server takes any.

        Raises:
            ServiceNotReadyError: it is starting or draining.
        """
        if self.state is not ServiceState.SERVING:
            raise ServiceNotReadyError(f"the server is {self.state.value}; try again later, or another server")

    @contextmanager
    def stream(self, client: str = "") -> Iterator[None]:
        """Count a stream of `client` for as long as the context lasts.

        Raises:
            ServiceNotReadyError, ServiceOverloadedError: it is not let in, and not counted.
        """
        self.check_serving()
        if self._num_streams >= self._max_streams:
            raise ServiceOverloadedError(f"{self._max_streams} streams are open, which is the limit; try again later")
        if self._streams_of[client] >= self._max_streams_per_client:
            raise ServiceOverloadedError(
                f"this client has {self._max_streams_per_client} streams open, which is the limit; end one first"
            )
        self._num_streams += 1
        self._streams_of[client] += 1
        self.idle.clear()
        try:
            yield
        finally:
            self._num_streams -= 1
            self._streams_of[client] -= 1
            if not self._streams_of[client]:
                del self._streams_of[client]
            self._watch_idle()

    @contextmanager
    def clip(self) -> Iterator[None]:
        """Count a clip for as long as the context lasts.

        Raises:
            ServiceNotReadyError, ServiceOverloadedError: it is not let in, and not counted.
        """
        self.check_serving()
        if self._num_clips >= self._max_clips:
            raise ServiceOverloadedError(f"{self._max_clips} clips are in work, which is the limit; try again later")
        self._num_clips += 1
        self.idle.clear()
        try:
            yield
        finally:
            self._num_clips -= 1
            self._watch_idle()

    @contextmanager
    def reachable(self, stream: Drainable) -> Iterator[None]:
        """Let `stream` be told of a drain for as long as the context lasts, one that has begun already included."""
        self._running.add(stream)
        try:
            if self.state is ServiceState.DRAINING:
                stream.warn(0.0)
                stream.drain()
            yield
        finally:
            self._running.discard(stream)

    def _watch_idle(self) -> None:
        if not self.num_calls:
            self.idle.set()
