"""`CommandClient.listen`: one endless stream, whatever becomes of the connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from speechtune_client.backoff import Backoff, is_passing
from speechtune_client.errors import ClientError, UnavailableError
from speechtune_client.events import Disconnected, Ended, Started, StreamEvent
from speechtune_client.replay import OvertakenError, Replay
from speechtune_client.settings import Order

if TYPE_CHECKING:
    from speechtune_client.client import CommandClient


def listen(
    client: CommandClient,
    chunks: Iterable[bytes | Order],
    replay: Replay,
    give_up_after: float | None,
    live: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[StreamEvent]:
    """The events of `chunks`, reconnecting as often as it takes.

    Args:
        client: opens the connections.
        chunks: the audio, taken by a thread of its own also while there is no connection.
        replay: remembers what must be sent again.
        give_up_after: seconds without a connection after which the last error is raised; None: never.
        live: the chunks do not wait: during a break they go on being taken.
        sleep: waits.

    Raises:
        ClientError: the server refuses what trying again would not change, or it was away for too long.
        BaseException: what the chunks raise.
    """
    source = _Source(chunks, replay, live)
    backoff, away_since = Backoff(), time.monotonic()
    try:
        while True:
            failure: ClientError | None = None
            connection = source.connect()
            settings: Any = connection.settings
            try:
                for event in client.stream(connection.chunks(), **settings):
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
                connection.stop()
            source.check()
            is_over = give_up_after is not None and time.monotonic() - away_since > give_up_after
            if failure is not None and (is_over or not is_passing(failure)):
                raise failure
            pause = backoff.seconds(failure)
            yield disconnected(failure, pause)
            sleep(pause)
    finally:
        source.stop()


def disconnected(failure: ClientError | None, pause: float) -> Disconnected:
    """The event of a break; without a failure the server ended the stream."""
    if failure is None:
        return Disconnected("OK", "the server ended the stream", pause)
    return Disconnected(failure.code, failure.message, pause)


class _Source:
    """The thread that takes the chunks, and what it shares with the connections."""

    def __init__(self, chunks: Iterable[bytes | Order], replay: Replay, live: bool) -> None:
        self.replay = replay
        self.news = threading.Condition()
        self._chunks = chunks
        self._failure: BaseException | None = None
        self._live = live
        self._must_wait = True
        self._is_stopped = False
        # A microphone may block for ever: it must not keep the program from ending.
        threading.Thread(target=self._run, name="speechtune-source", daemon=True).start()

    def connect(self) -> _Connection:
        with self.news:
            return _Connection(self, self.replay.connect())

    def heard(self, event: StreamEvent) -> StreamEvent | None:
        with self.news:
            self._must_wait = True  # there is a server again
            shown = self.replay.heard(event)
            self.news.notify_all()
            return shown

    def check(self) -> None:
        """Raise what the chunks raised."""
        if self._failure is not None:
            raise self._failure

    def disconnected(self) -> None:
        with self.news:
            self._must_wait = not self._live
            self.news.notify_all()

    def stop(self) -> None:
        with self.news:
            self._is_stopped = True
            self.news.notify_all()

    def _run(self) -> None:
        try:
            for part in (part for chunk in self._chunks for part in self.replay.parts(chunk)):
                with self.news:
                    # While there is no server, time goes on for a microphone.
                    self.news.wait_for(lambda: self._is_stopped or not self._must_wait or not self.replay.is_full)
                    if self._is_stopped:
                        return
                    self.replay.put(part)
                    self.news.notify_all()
        except BaseException as error:  # SystemExit too: it would end this thread alone, and unheard
            self._failure = error
        with self.news:
            self.replay.is_ended = True
            self.news.notify_all()


class _Connection:
    """What one connection sends; `chunks` runs in grpc's thread."""

    def __init__(self, source: _Source, settings: Any) -> None:
        self.settings = settings
        self._source = source
        self._is_stopped = False

    def chunks(self) -> Iterator[bytes | Order]:
        news, replay = self._source.news, self._source.replay
        while True:
            with news:
                piece = None
                while not self._is_stopped and (piece := replay.take()) is None and not replay.is_drained:
                    news.wait()
                if self._is_stopped or piece is None:
                    break
            yield piece
        if not self._is_stopped:
            self._source.check()

    def stop(self) -> None:
        with self._source.news:
            self._is_stopped = True
        self._source.disconnected()
