"""What becomes of the source of an endless stream when servers are silent or away, and when it fails itself."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from speechtune_client import AsyncCommandClient, CommandClient, async_listening, listening
from speechtune_client.errors import NotFoundError, UnavailableError
from speechtune_client.replay import Replay
from tests.support.serving import asynchronous, running_server, server_in_thread
from tests.support.waiting import in_time

SECOND = bytes(32_000)


class LeaveError(NotFoundError):
    """Ends the loop of a test."""


class SilentServer:
    """Breaks the first connection, and never answers on the second, until the source was taken from or time is up."""

    def __init__(self, num_wanted):
        self.num_connections = self.num_taken = 0
        self._num_wanted = num_wanted
        self._deadline = time.monotonic() + 10

    def microphone(self):
        while True:
            self.num_taken += 1
            yield SECOND

    def is_waiting(self):
        return self.num_taken < self._num_wanted and time.monotonic() < self._deadline

    def begin(self):
        self.num_connections += 1
        if self.num_connections == 1:
            raise UnavailableError("UNAVAILABLE", "it broke")


class BlockingClient(SilentServer):
    def stream(self, chunks, **settings):
        self.begin()
        while self.is_waiting():
            time.sleep(0.01)
        raise LeaveError("NOT_FOUND", "")
        yield


class AsyncClient(SilentServer):
    async def stream(self, chunks, **settings):
        self.begin()
        while self.is_waiting():
            await asyncio.sleep(0.001)
        raise LeaveError("NOT_FOUND", "")
        yield


def test_a_server_that_never_answers_after_a_break_does_not_stop_the_microphone():
    client = BlockingClient(100)
    with pytest.raises(LeaveError):
        list(listening.listen(client, client.microphone(), Replay({}, 5.0), None, sleep=lambda seconds: None))
    assert client.num_taken >= 100


@asynchronous
async def test_a_server_that_never_answers_after_a_break_does_not_stop_the_async_microphone():
    client = AsyncClient(100)
    with pytest.raises(LeaveError):
        async for _ in async_listening.listen(
            client, client.microphone(), Replay({}, 5.0), None, sleep=lambda seconds: asyncio.sleep(0)
        ):
            pass
    assert client.num_taken >= 100


def leaving():
    yield SECOND
    sys.exit("no microphone")


@pytest.mark.parametrize("method", ["listen", "stream"])
def test_a_source_that_ends_the_program_ends_it(method):
    with server_in_thread() as server, CommandClient(server.address) as client:
        raised = in_time(lambda: list(getattr(client, method)(leaving())))
    assert [(type(error), str(error)) for error in raised] == [(SystemExit, "no microphone")]


def test_a_source_that_ends_the_program_ends_it_without_a_server_too():
    with CommandClient("127.0.0.1:1") as client:
        raised = in_time(lambda: list(client.listen(leaving())))
    assert [(type(error), str(error)) for error in raised] == [(SystemExit, "no microphone")]


@pytest.mark.parametrize("method", ["listen", "stream"])
def test_an_async_reader_is_raised_what_ends_the_program_and_may_still_clean_up(method):
    caught = []

    @asynchronous
    async def reading():
        async with running_server() as server, AsyncCommandClient(server.address) as client:
            try:
                async for _ in getattr(client, method)(leaving()):
                    pass
            except SystemExit as error:
                caught.append(str(error))

    reading()
    assert caught == ["no microphone"]


@asynchronous
async def test_an_async_source_whose_own_work_was_cancelled_is_no_endless_silence():
    async def cancelled():
        yield SECOND
        raise asyncio.CancelledError

    async with running_server() as server, AsyncCommandClient(server.address) as client:
        with pytest.raises(asyncio.CancelledError):
            async for _ in client.listen(cancelled()):
                pass
