"""Endless streams against real servers whose connections break: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune_client import (
    AsyncCommandClient,
    CommandClient,
    Detection,
    Disconnected,
    Ended,
    Resumed,
    Started,
    errors,
)
from speechtune_client.errors import UnavailableError
from speechtune_client.listening import listen
from speechtune_client.replay import Replay
from tests.support.breaking import BreakingClient
from tests.support.serving import COMMANDS_CONTENT, asynchronous, running_server, server_in_thread, until
from tests.support.speech import REPOSITORY
from tests.support.streaming import linear16, quiet, tone

LONG = COMMANDS_CONTENT * 6
"""21 seconds: `low` and `high` by turns, six times."""
LABELS = ["low", "high"] * 6


@pytest.fixture(scope="module")
def client():
    with server_in_thread(max_in_flight_seconds=2.0) as server, CommandClient(server.address) as client:
        yield client


def heard(client, chunks, breaks=(), replay=None, **stream_settings):
    flaky = BreakingClient(client, breaks)
    events = listen(flaky, chunks, replay or Replay(stream_settings), None, live=False, sleep=lambda seconds: None)
    return list(events), flaky


def detected(events):
    return [(event.label, event.event_id, event.start_offset, round(event.confidence, 4)) for event in events
            if isinstance(event, Detection)]  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(client):
    return detected(list(client.stream([LONG])))


def test_without_a_break_it_is_the_plain_stream(client, unbroken):
    events, flaky = heard(client, [LONG])
    assert flaky.num_connections == 1
    assert detected(events) == unbroken
    assert [label for label, *_ in unbroken] == LABELS
    assert (type(events[0]), type(events[-1])) == (Started, Ended)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(0, 30), max_size=8),
    st.lists(st.integers(300, 40_000), min_size=1, max_size=20),
)
def test_wherever_it_breaks_the_detections_are_those_of_one_unbroken_stream(client, unbroken, breaks, lengths):
    ends = [0, *itertools.takewhile(lambda end: end < len(LONG), itertools.accumulate(itertools.cycle(lengths)))]
    chunks = [LONG[start:end] for start, end in itertools.pairwise([*ends, len(LONG)])]
    events, flaky = heard(client, chunks, breaks)
    assert detected(events) == unbroken
    assert sum(isinstance(event, Disconnected) for event in events) == flaky.num_connections - 1
    offsets = [event.start_offset for event in events if isinstance(event, Detection)]
    assert offsets == sorted(offsets)


def test_one_chunk_longer_than_the_window_waits_for_the_server_and_loses_nothing(client):
    events, _ = heard(client, [LONG], [40], Replay({}, 4.0))
    assert [label for label, *_ in detected(events)] == LABELS
    assert [event.lost for event in events if isinstance(event, Resumed)] == [0.0]


def test_other_events_come_once_too(client):
    wanted = {"speech_activity": True, "rejections": True}
    plain = [event for event in client.stream([LONG], **wanted) if event.event in ("activity", "rejected")]
    broken, _ = heard(client, [LONG], [3, 9, 14, 14, 14], **wanted)
    kept = [event for event in broken if event.event in ("activity", "rejected")]
    assert [(one.event, getattr(one, "kind", "")) for one in kept] == [
        (one.event, getattr(one, "kind", "")) for one in plain
    ]


def test_a_break_after_the_last_byte_still_gives_the_last_words(client, unbroken):
    events, _ = heard(client, [LONG], [59])
    assert detected(events) == unbroken
    assert events[-1].reason == "CLIENT_FINISHED"


def test_what_was_said_beyond_the_window_is_lost_and_said_to_be(client):
    """A microphone goes on while nobody listens; the window is four seconds."""
    gone = []

    class Away(BreakingClient):
        def stream(self, chunks, **stream_settings):
            if self.num_connections == 1:
                while not gone:
                    time.sleep(0.01)
            yield from super().stream(chunks, **stream_settings)

    def microphone():
        for start in range(0, len(LONG), 3_200):
            yield LONG[start : start + 3_200]
        gone.append(True)

    events = list(listen(Away(client, [1]), microphone(), Replay({}, 4.0), None, sleep=lambda seconds: None))
    resumed = [event for event in events if isinstance(event, Resumed)]
    assert sum(event.lost for event in resumed) == pytest.approx(17.0, abs=1.0)
    assert [label for label, *_ in detected(events)][-1:] == ["high"]
    assert resumed[0].session_id == events[0].session_id


def test_what_trying_again_would_not_change_is_raised_at_once(client):
    for wrong, error in (({"model": "garden"}, errors.NotFoundError), ({"channels": 99}, errors.InvalidRequestError)):
        with pytest.raises(error):
            list(client.listen([LONG], **wrong))
    with pytest.raises(TypeError, match="unknown settings"):
        client.listen([], sample_rate=1)


def test_a_server_that_stays_away_is_given_up_when_told_so():
    with CommandClient("127.0.0.1:1") as client:
        shown = []
        with pytest.raises(UnavailableError):
            shown.extend(client.listen([b""], give_up_after=0.3))


def test_a_server_that_comes_late_still_starts_the_stream(client):
    class Absent(BreakingClient):
        def stream(self, chunks, **stream_settings):
            if self.num_connections < 2:
                self.offsets.append(None)
                raise UnavailableError("UNAVAILABLE", "nobody there")
            yield from super().stream(chunks, **stream_settings)

    events = list(listen(Absent(client, [9]), [LONG], Replay({}), None, live=False, sleep=lambda seconds: None))
    told = [type(event) for event in events if isinstance(event, Started | Resumed | Disconnected)]
    assert told == [Disconnected, Disconnected, Started, Disconnected, Resumed]


def test_what_the_chunks_raise_is_raised_also_during_a_break(client):
    def unplugged():
        yield LONG[:32_000]
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        heard(client, unplugged())
    with CommandClient("127.0.0.1:1") as nowhere, pytest.raises(OSError, match="unplugged"):
        list(nowhere.listen(unplugged()))


@asynchronous
async def test_the_async_client_goes_on_over_a_drain_with_nothing_lost_or_twice():
    port = 0
    async with running_server() as server:
        port = int(server.address.rpartition(":")[2])
        client = AsyncCommandClient(server.address)
        events, may_go_on = [], asyncio.Event()

        async def microphone():
            for start in range(0, len(LONG), 6_400):
                if start > len(LONG) // 2:
                    await may_go_on.wait()
                yield LONG[start : start + 6_400]

        async def listening():
            async for event in client.listen(microphone()):
                events.append(event)  # noqa: PERF401  (it is looked at meanwhile)

        task = asyncio.create_task(listening())
        await until(lambda: sum(isinstance(event, Detection) for event in events) >= 5)
    async with running_server(address=f"127.0.0.1:{port}") as server:
        may_go_on.set()
        await task
        await until(lambda: server.admission.num_streams == 0)
    assert [event.label for event in events if isinstance(event, Detection)] == LABELS
    assert [type(event) for event in events if isinstance(event, Resumed | Disconnected)] == [Disconnected, Resumed]
    assert len({event.event_id for event in events if isinstance(event, Detection)}) == len(LABELS)
    await client.close()


@asynchronous
async def test_leaving_the_async_loop_ends_the_stream_and_the_source():
    closed = asyncio.Event()

    async def endless():
        try:
            while True:
                yield COMMANDS_CONTENT
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    async with running_server() as server, AsyncCommandClient(server.address) as client:
        events = client.listen(endless())
        async for event in events:
            if isinstance(event, Detection):
                break
        await events.aclose()
        await until(lambda: server.admission.num_streams == 0)
        await asyncio.wait_for(closed.wait(), 5)


@contextmanager
def process_on(port):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / part) for part in (".", "server", "proto"))
    }
    command = [sys.executable, "-m", "tests.support.scripted_server", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert re.match(r"127\.0\.0\.1:\d+", process.stdout.readline())
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(holds, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_server_that_is_killed_and_started_again_loses_nothing_and_repeats_nothing():
    """`kill -9` in the middle of a word, twice, under one blocking client with a microphone at four times its pace."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    word = [quiet(8_000), tone(250, 6_000), quiet(10_000), tone(1000, 6_000), quiet(8_000)]
    content = linear16(np.concatenate(word * 8))  # 19 s
    expected = ["low", "high"] * 8
    kill_at = [len(content) // 3, 2 * len(content) // 3]
    servers = []

    def microphone():
        for start in range(0, len(content), 3_200):
            if kill_at and start >= kill_at[0]:
                kill_at.pop(0)
                wait_until(lambda: servers[-1].poll() is None)  # a slow machine may not have started it again yet
                servers[-1].send_signal(signal.SIGKILL)
            time.sleep(0.025)
            yield content[start : start + 3_200]

    found, num_broken = [], 0
    with process_on(port) as first, CommandClient(f"127.0.0.1:{port}") as client:
        servers.append(first)
        events = client.listen(microphone())
        restarted = []
        try:
            for event in events:
                if isinstance(event, Detection):
                    found.append(event)
                elif isinstance(event, Disconnected):
                    num_broken += 1
                    if servers[-1].wait(10) is not None and len(restarted) < 2:
                        restarted.append(process_on(port))
                        servers.append(restarted[-1].__enter__())
        finally:
            for one in restarted:
                one.__exit__(None, None, None)
    assert num_broken >= 2
    assert [event.label for event in found] == expected
    assert len({event.event_id for event in found}) == len(expected)
    starts = [event.start_offset for event in found]
    assert starts == sorted(starts)
