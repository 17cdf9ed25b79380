"""Who may come in: whether the server takes calls at all, and how many at once. The counts are exact.

Calls that come while the server starts wait for it. They hold the places that they will be served in, so that no more
of them wait than would be served.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from enum import Enum
from typing import Any, Protocol

from speechtune.errors import ServiceNotReadyError, ServiceOverloadedError
from speechtune_server.process.clock import within
from speechtune_server.process.places import Place, Places

_UNBEGUN_SECONDS = 1.0
"""How long a stream that has not begun keeps its place where others want it."""
_SILENT_SECONDS = 10.0
"""The same for one that has begun, since it last sent something: a device may send nothing while nobody speaks."""
_BODY_SECONDS = 0.5
"""The same for a clip that has not come."""
_PAUSE_SECONDS, _NUM_ATTEMPTS = 0.1, 10


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
        max_clips: clips worked on at once; as many more may be on their way.
        streams_per_client, clips_per_client: of one client; never more than of all.
        start_wait_seconds: how long a call waits for a server that starts; 0.0: it is refused at once.
        now: tells the time, in seconds.
    """

    def __init__(
        self,
        max_streams: int,
        max_clips: int,
        streams_per_client: int,
        clips_per_client: int,
        start_wait_seconds: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = ServiceState.STARTING
        self._has_started = asyncio.Event()
        self._start_wait_seconds = start_wait_seconds
        self._max_waiting, self._num_waiting = max_streams, 0
        self.idle = asyncio.Event()
        """Set while nothing is being worked on."""
        self.idle.set()
        self._streams = Places("streams", max_streams, streams_per_client, now)
        self._clips = Places("clips", max_clips, clips_per_client, now)
        self._bodies = Places("clips on their way", max_clips, clips_per_client, now)
        self._num_calls = 0
        self._running: set[Drainable] = set()

    @property
    def state(self) -> ServiceState:
        """What the server is doing; who waits for its start hears of every change."""
        return self._state

    @state.setter
    def state(self, state: ServiceState) -> None:
        self._state = state
        if state is not ServiceState.STARTING:
            self._has_started.set()

    def allow_streams(self, max_streams: int, per_client: int) -> None:
        """Let so many streams in from now on, of all clients and of one."""
        self._streams.allow(max_streams, per_client)

    @property
    def num_streams(self) -> int:
        """Streams open now."""
        return len(self._streams)

    @property
    def num_calls(self) -> int:
        """Streams and clips that are being worked on or on their way, and those that gave up their place and end."""
        return self._num_calls

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

    async def serving(self) -> None:
        """Let a call through that needs no place, once the server has started; as many wait as streams may.

        Raises:
            ServiceNotReadyError: it is draining, has not started in time, or too many wait already.
        """
        if self._num_waiting < self._max_waiting:
            self._num_waiting += 1
            try:
                await self._wait_for_start()
            finally:
                self._num_waiting -= 1
        self.check_serving()

    @asynccontextmanager
    async def stream(self, client: str = "") -> AsyncIterator[Place]:
        """Count a stream of `client` for as long as the context lasts; `heard` must be told what it says.

        Raises:
            ServiceNotReadyError, ServiceOverloadedError: it is not let in, and not counted; or it has said nothing, and
                its place was given to another.
        """
        self._check_open()
        with self._holding(self._streams, client, math.inf) as place:
            await self._wait_for_start()
            self.check_serving()
            place.patience_seconds = _UNBEGUN_SECONDS
            self._streams.heard(place)
            yield place

    def heard(self, place: Place) -> None:
        """The stream of this place has sent something."""
        self._streams.heard(place)

    def begun(self, place: Place, end: Callable[[], object]) -> None:
        """The stream of this place has begun: `end` ends it in good order if another needs its place."""
        place.give_up, place.patience_seconds = end, _SILENT_SECONDS
        self._streams.heard(place)

    @asynccontextmanager
    async def body(self, client: str = "") -> AsyncIterator[None]:
        """Count a clip that is on its way for as long as the context lasts; waits a moment for a place.

        Raises:
            ServiceNotReadyError, ServiceOverloadedError: it is not let in, and not counted; or it has not come, and its
                place was given to another.
        """
        self._check_open()
        for _ in range(_NUM_ATTEMPTS):
            with ExitStack() as stack:
                try:
                    stack.enter_context(self._holding(self._bodies, client, _BODY_SECONDS))
                except ServiceOverloadedError:
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                yield
                return
        with self._holding(self._bodies, client, _BODY_SECONDS):
            yield

    @asynccontextmanager
    async def clip(self, client: str = "") -> AsyncIterator[None]:
        """Count a clip of `client`, which is here, for as long as the context lasts.

        Raises:
            ServiceNotReadyError, ServiceOverloadedError: it is not let in, and not counted.
        """
        self._check_open()
        with self._holding(self._clips, client, math.inf):
            await self._wait_for_start()
            self.check_serving()
            yield

    def _check_open(self) -> None:
        """As `check_serving`; but where calls wait for the start, let them."""
        if self.state is not ServiceState.STARTING or not self._start_wait_seconds:
            self.check_serving()

    async def _wait_for_start(self) -> None:
        if self.state is ServiceState.STARTING:
            with suppress(TimeoutError):
                await within(self._start_wait_seconds, self._has_started.wait())

    @contextmanager
    def _holding(self, places: Places, client: str, patience_seconds: float) -> Iterator[Place]:
        task = asyncio.current_task()
        place = places.take(client, patience_seconds, _cancel_of(task))
        self._num_calls += 1
        self.idle.clear()
        try:
            yield place
        except asyncio.CancelledError:
            if not place.is_given_up or task is None or task.uncancel():
                raise
            raise ServiceOverloadedError(
                "this call has sent nothing, and its place was given to another; send at once, or try again later"
            ) from None
        finally:
            places.leave(place)
            self._num_calls -= 1
            if not self._num_calls:
                self.idle.set()

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


def _cancel_of(task: asyncio.Task[Any] | None) -> Callable[[], object]:
    return task.cancel if task is not None else lambda: None
