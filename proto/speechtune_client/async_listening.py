"""`AsyncCommandClient.listen`: one endless stream, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from speechtune_client.backoff import Backoff, is_passing
from speechtune_client.errors import ClientError, UnavailableError
from speechtune_client.events import Ended, Started, StreamEvent
from speechtune_client.listening import disconnected
from speechtune_client.replay import OvertakenError, Replay
from speechtune_client.settings import Order, StreamSettings

if TYPE_CHECKING:
    from speechtune_client.async_client import AsyncCommandClient


async def listen(
    client: AsyncCommandClient,
    chunks: AsyncIterable[bytes | Order] | Iterable[bytes | Order],
    replay: Replay,
    give_up_after: float | None,
    live: bool = True,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[StreamEvent]:
    """The events of `chunks`, reconnecting as often as it takes; otherwise as `listening.listen`."""
    source = _Source(replay, live)
    taking = asyncio.create_task(source.take_all(chunks))
    backoff, away_since = Backoff(), time.monotonic()
    try:
        while True:
            failure: ClientError | None = None
            settings: Any = source.connect()
            try:
                async with aclosing(client.stream(source.pieces(), **settings)) as events:  # type: ignore[type-var]
                    async for event in events:
                        if not isinstance(event, Started | Ended):
                            backoff.succeeded()
                        away_since = time.monotonic()
                        is_last = isinstance(event, Ended) and event.reason == "CLIENT_FINISHED"
                        shown = source.heard(event)
                        if shown is not None and (is_last or not isinstance(event, Ended)):
                            yield shown
                        if is_last:
                            return
            except ClientError as error:
                if replay.can_go_without(error):
                    continue
                failure = error
            except OvertakenError:
                failure = UnavailableError("UNAVAILABLE", "no answer for as long as audio is kept")
            finally:
                source.disconnected()
            source.check()
            is_over = give_up_after is not None and time.monotonic() - away_since > give_up_after
            if failure is not None and (is_over or not is_passing(failure)):
                raise failure
            pause = backoff.seconds(failure)
            yield disconnected(failure, pause)
            await sleep(pause)
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


class _Source:
    """What the task that takes the chunks shares with the connections."""

    def __init__(self, replay: Replay, live: bool) -> None:
        self._live = live
        self._must_wait = True
        self._is_connected = True
        self._num_connections = 0
        self._replay = replay
        self._failure: BaseException | None = None
        self._news = asyncio.Event()

    def connect(self) -> StreamSettings:
        self._is_connected = True
        self._num_connections += 1
        return self._replay.connect()

    async def take_all(self, chunks: AsyncIterable[bytes | Order] | Iterable[bytes | Order]) -> None:
        try:
            async for chunk in _as_async(chunks):
                for part in self._replay.parts(chunk):
                    # While there is no server, time goes on for a microphone.
                    while self._must_wait and self._replay.is_full:
                        await self._next_news()
                    self._replay.put(part)
                    self._news.set()
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            # Another one than what was caught, whose trace would keep the source from being closed.
            self._failure = asyncio.CancelledError()
            raise
        except BaseException as error:  # SystemExit would leave through the event loop
            self._failure = error
        finally:
            self._replay.is_ended = True
            self._news.set()

    async def pieces(self) -> AsyncIterator[bytes | Order]:
        number = self._num_connections
        while self._is_connected and self._num_connections == number:
            piece = self._replay.take()
            if piece is not None:
                yield piece
            elif self._replay.is_drained:
                break
            else:
                await self._next_news()
        self.check()

    def heard(self, event: StreamEvent) -> StreamEvent | None:
        self._must_wait = True  # there is a server again
        shown = self._replay.heard(event)
        self._news.set()
        return shown

    def disconnected(self) -> None:
        self._is_connected, self._must_wait = False, not self._live
        self._news.set()

    def check(self) -> None:
        """Raise what the chunks raised."""
        if self._failure is not None:
            raise self._failure

    async def _next_news(self) -> None:
        # Waited for by two tasks at most; each looks again at what it needs.
        self._news.clear()
        await self._news.wait()


async def _as_async(chunks: AsyncIterable[bytes | Order] | Iterable[bytes | Order]) -> AsyncIterator[bytes | Order]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk
