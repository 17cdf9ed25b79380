"""The audio that waits in a stream: order, bound, arrival times."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechtune.errors import ServiceOverloadedError
from speechtune_server.live.inbox import EndReason, Inbox
from tests.support.serving import asynchronous


def inbox_of(max_bytes=100, bytes_per_second=100):
    return Inbox(max_bytes, bytes_per_second)


@given(st.lists(st.binary(max_size=20), max_size=20), st.integers(1, 30))
def test_bytes_come_out_as_they_went_in(chunks, step):
    async def scenario():
        inbox = inbox_of(max_bytes=1_000)
        for chunk in chunks:
            inbox.put(chunk, 0.0)
        inbox.end(EndReason.CLIENT_FINISHED)
        taken = []
        while not inbox.is_exhausted:
            taken.append(await inbox.take(step))
        assert b"".join(taken) == b"".join(chunks)
        assert all(len(content) <= step for content in taken)

    asyncio.run(scenario())


@asynchronous
async def test_what_is_taken_still_counts_until_it_is_processed():
    inbox = inbox_of(max_bytes=10)
    inbox.put(b"x" * 10, 0.0)
    await inbox.take(10)
    with pytest.raises(ServiceOverloadedError, match=r"11 bytes .* 10 are the limit"):
        inbox.put(b"x", 0.0)
    inbox.processed(4)
    inbox.put(b"x" * 4, 0.0)
    with pytest.raises(ServiceOverloadedError):
        inbox.put(b"x", 0.0)


def test_a_refused_chunk_leaves_nothing_behind():
    inbox = inbox_of(max_bytes=10)
    with pytest.raises(ServiceOverloadedError):
        inbox.put(b"x" * 11, 0.0)
    inbox.put(b"x" * 10, 0.0)
    assert inbox.num_received == 10


@asynchronous
async def test_take_waits_for_audio_for_the_end_or_to_be_woken():
    inbox = inbox_of()
    for event in (lambda: inbox.put(b"a", 0.0), inbox.wake, lambda: inbox.end(EndReason.DRAINING)):
        waiting = asyncio.create_task(inbox.take(10))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        event()
        assert await waiting in (b"a", b"")
    assert inbox.is_exhausted


@asynchronous
async def test_the_first_reason_to_end_counts_and_later_audio_does_not():
    inbox = inbox_of()
    inbox.put(b"a", 0.0)
    inbox.end(EndReason.DRAINING)
    inbox.end(EndReason.CLIENT_FINISHED)
    inbox.put(b"b", 0.0)
    assert inbox.end_reason is EndReason.DRAINING
    assert await inbox.take(10) == b"a"
    assert inbox.is_exhausted


def test_a_cut_drops_what_waits_and_leaves_a_finished_stream_as_it_is():
    inbox = inbox_of()
    inbox.put(b"a", 0.0)
    inbox.end(EndReason.CLIENT_FINISHED)
    inbox.cut(EndReason.MAX_DURATION)
    assert inbox.end_reason is EndReason.MAX_DURATION
    assert inbox.is_exhausted
    finished = inbox_of()
    finished.end(EndReason.CLIENT_FINISHED)
    finished.cut(EndReason.MAX_DURATION)
    assert finished.end_reason is EndReason.CLIENT_FINISHED


def test_arrival_is_when_the_byte_before_a_position_came():
    inbox = inbox_of(max_bytes=1_000, bytes_per_second=100)
    for number, length in enumerate([10, 20, 5]):
        inbox.put(b"x" * length, float(number))
    assert [inbox.arrival(position) for position in (1, 10, 11, 30, 31, 35)] == [0, 0, 1, 1, 2, 2]
    assert inbox.arrival(99) == 2
    inbox.processed(30)
    assert inbox.arrival(31) == 2
    assert inbox_of().arrival(0) is None


def test_single_bytes_do_not_fill_the_memory_with_times():
    inbox = inbox_of(max_bytes=100_000, bytes_per_second=32_000)
    for number in range(32_000):
        inbox.put(b"x", number / 32_000)
    assert len(inbox._marks) <= 101
    # Grouped audio counts as come with the first of its group: latency is never told too small.
    assert all(inbox.arrival(position) <= (position - 1) / 32_000 for position in range(1, 32_000, 97))
