"""Waiting with a limit: a cancellation is never lost, and nothing is left running."""

from __future__ import annotations

import asyncio

import pytest

from speechtune_server.process.clock import MonotonicClock, within
from tests.support.serving import asynchronous


@asynchronous
async def test_a_cancellation_in_the_moment_in_which_the_work_ends_is_not_swallowed():
    """As `asyncio.wait_for` did before Python 3.12; a soak of ten minutes found one stream that never ended."""
    done = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(within(10.0, done))
    await asyncio.sleep(0)
    done.set_result("answer")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@asynchronous
async def test_work_gives_its_answer_or_its_error_in_time_or_is_cancelled():
    async def fails():
        raise ValueError("on purpose")

    ended = []

    async def lasts():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    assert await within(None, asyncio.sleep(0, "answer")) == "answer"
    with pytest.raises(ValueError, match="on purpose"):
        await within(1.0, fails())
    with pytest.raises(asyncio.TimeoutError):
        await within(0.01, lasts())
    waiting = asyncio.create_task(within(60.0, lasts()))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == [True, True]
    await MonotonicClock().wait(asyncio.Event(), 0.01)
