"""What becomes of the source of an endless stream when servers are silent or absent, and when the source itself fails."""

from __future__ import annotations

import asyncio
import time

import pytest

from speechtune_client import async_listening, listening
from speechtune_client.errors import NotFoundError, UnavailableError
from speechtune_client.replay import Replay
from tests.support.serving import asynchronous

SECOND = bytes(32_000)


class Leave(NotFoundError):
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
        raise Leave("NOT_FOUND", "")
        yield


class AsyncClient(SilentServer):
    async def stream(self, chunks, **settings):
        self.begin()
        while self.is_waiting():
            await asyncio.sleep(0.001)
        raise Leave("NOT_FOUND", "")
        yield


def test_a_server_that_never_answers_after_a_break_does_not_stop_the_microphone():
    client = BlockingClient(100)
    with pytest.raises(Leave):
        list(listening.listen(client, client.microphone(), Replay({}, 5.0), None, sleep=lambda seconds: None))
    assert client.num_taken >= 100


@asynchronous
async def test_a_server_that_never_answers_after_a_break_does_not_stop_the_async_microphone():
    client = AsyncClient(100)
    with pytest.raises(Leave):
        async for _ in async_listening.listen(
            client, client.microphone(), Replay({}, 5.0), None, sleep=lambda seconds: asyncio.sleep(0)
        ):
            pass
    assert client.num_taken >= 100
