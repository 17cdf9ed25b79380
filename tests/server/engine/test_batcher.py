"""Batches: when they go, what is in them, and whom a failing one takes down."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from speechtune.errors import ServiceNotReadyError
from speechtune.recipe import DetectorSettings
from speechtune_server.engine.batcher import MicroBatcher
from speechtune_server.engine.dispatch import Dispatch, score_together
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.engine.runner import Runner
from speechtune_server.process.clock import MonotonicClock
from tests.support.clock import ScriptedClock
from tests.support.serving import ObedientScorer, asynchronous
from tests.support.streaming import LoudnessActivity, PitchScorer, tone


class Bench:
    """A batcher of numbers that answers each with its double."""

    def __init__(self, max_size=4, max_wait_seconds=1.0, size_of=lambda number: 1):
        self.clock = ScriptedClock()
        self.batches = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.batcher = MicroBatcher(self.run, size_of, max_size, max_wait_seconds, self.clock)

    async def run(self, batch):
        self.batches.append(batch)
        await self.may_go.wait()
        if 13 in batch:
            raise ArithmeticError("thirteen")
        return [2 * number for number in batch]

    def submit(self, *numbers):
        return [asyncio.create_task(self.batcher.submit(number)) for number in numbers]

    async def settle(self):
        for _ in range(30):
            await asyncio.sleep(0)


@asynchronous
async def test_a_full_batch_goes_at_once():
    bench = Bench()
    assert await asyncio.gather(*bench.submit(1, 2, 3, 4)) == [2, 4, 6, 8]
    assert bench.batches == [[1, 2, 3, 4]]
    assert bench.clock.now() == 0.0
    await bench.batcher.close()


@asynchronous
async def test_a_lonely_request_goes_when_it_has_waited_long_enough():
    bench = Bench(max_wait_seconds=1.0)
    (task,) = bench.submit(1)
    await bench.settle()
    bench.clock.time = 0.99
    await bench.settle()
    assert bench.batches == []
    bench.submit(2)
    await bench.settle()
    bench.clock.time = 1.0
    assert await task == 2
    assert bench.batches == [[1, 2]]
    await bench.batcher.close()


@asynchronous
async def test_without_a_wait_each_request_goes_with_what_is_there():
    bench = Bench(max_wait_seconds=0.0)
    assert await asyncio.gather(*bench.submit(1, 2)) == [2, 4]
    assert await asyncio.gather(*bench.submit(3)) == [6]
    assert bench.batches == [[1, 2], [3]]
    await bench.batcher.close()


@asynchronous
async def test_more_than_a_batch_goes_in_several_in_order():
    bench = Bench(max_size=2)
    tasks = bench.submit(1, 2, 3, 4, 5)
    await bench.settle()
    bench.clock.time = 1.0
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert bench.batches == [[1, 2], [3, 4], [5]]
    await bench.batcher.close()


@asynchronous
async def test_sizes_fill_a_batch_and_a_request_larger_than_one_goes_alone():
    bench = Bench(max_size=4, max_wait_seconds=0.0, size_of=lambda number: number)
    assert await asyncio.gather(*bench.submit(3, 2, 9, 1, 1)) == [6, 4, 18, 2, 2]
    assert bench.batches == [[3], [2], [9], [1, 1]]
    await bench.batcher.close()


@asynchronous
async def test_the_next_batch_gathers_while_one_runs():
    bench = Bench(max_wait_seconds=0.0)
    bench.may_go.clear()
    first = bench.submit(1)
    await bench.settle()
    others = bench.submit(2, 3)
    await bench.settle()
    assert bench.batches == [[1]]
    bench.may_go.set()
    assert await asyncio.gather(*first, *others) == [2, 4, 6]
    assert bench.batches == [[1], [2, 3]]
    await bench.batcher.close()


@asynchronous
async def test_a_failing_batch_fails_the_requests_in_it_and_no_others():
    bench = Bench(max_size=2)
    outcomes = await asyncio.gather(*bench.submit(1, 13, 3, 4), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[:2]] == [ArithmeticError, ArithmeticError]
    assert outcomes[2:] == [6, 8]
    # Each its own: an error holds the frames that it passed, and a call that fails lets go of those.
    assert outcomes[0] is not outcomes[1]
    assert [str(outcome) for outcome in outcomes[:2]] == ["thirteen", "thirteen"]
    await bench.batcher.close()


@asynchronous
async def test_a_batch_answered_in_part_fails_whole_and_the_batcher_goes_on():
    bench = Bench(max_size=2)

    async def too_few(batch):
        return batch[:1] if 7 in batch else batch

    bench.batcher = MicroBatcher(too_few, lambda number: 1, 2, 0.0, bench.clock)
    outcomes = await asyncio.gather(*bench.submit(7, 8, 3, 4), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[:2]] == [ValueError, ValueError]
    assert outcomes[2:] == [3, 4]
    await bench.batcher.close()


@asynchronous
async def test_a_cancelled_request_takes_no_place_in_a_batch():
    bench = Bench(max_size=2)
    gone, stays = bench.submit(1, 2)[:1], bench.submit(3)
    gone[0].cancel()
    await bench.settle()
    bench.clock.time = 1.0
    assert await stays[0] == 6
    assert 1 not in [number for batch in bench.batches for number in batch]
    await bench.batcher.close()


@asynchronous
async def test_closing_cancels_what_waits():
    bench = Bench()
    tasks = bench.submit(1, 2)
    await bench.settle()
    await bench.batcher.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2


def windows(*pitches):
    return np.stack([tone(hz, 16_000) for hz in pitches])


def test_windows_of_several_streams_are_scored_in_one_call_and_dealt_out_again():
    scorer = ObedientScorer()
    batch = [windows(250), windows(1000, 600), windows(250, 250, 1000)]
    together = score_together(scorer, batch)
    assert scorer.batch_sizes == [6]
    for part, alone in zip(together, (PitchScorer().score(part) for part in batch), strict=True):
        np.testing.assert_array_equal(part, alone)


@pytest.mark.parametrize("answer", [np.zeros((1, 4)), np.full((2, 4), np.nan), np.zeros((2, 3)), np.zeros((2, 4))])
def test_a_scorer_that_gives_no_posteriors_is_found_out(answer):
    scorer = PitchScorer()
    scorer.score = lambda batch: answer.astype(np.float32)
    with pytest.raises(ArithmeticError):
        score_together(scorer, [windows(250, 250)])


@asynchronous
async def test_windows_of_two_streams_share_a_batch_and_those_of_two_models_do_not():
    runner, clock = Runner(), ScriptedClock()
    dispatch = Dispatch(runner, runner, LoudnessActivity(), max_batch=4, max_wait_seconds=1.0, clock=clock)
    scorers = [ObedientScorer(), ObedientScorer()]
    models = [ServedModel(name, "00", scorer) for name, scorer in zip("ab", scorers, strict=True)]
    tasks = [
        asyncio.create_task(dispatch.score(model, part))
        for model, part in [
            (models[0], windows(250)),
            (models[1], windows(250, 250)),
            (models[0], windows(250, 1000, 250)),
        ]
    ]
    answers = await asyncio.gather(tasks[0], tasks[2])
    assert [len(answer) for answer in answers] == [1, 3]
    assert [scorer.batch_sizes for scorer in scorers] == [[4], []]
    clock.time = 1.0
    assert len(await tasks[1]) == 2
    await dispatch.close()
    await runner.close(1.0)


@asynchronous
async def test_more_windows_than_a_batch_holds_are_scored_in_turn():
    runner = Runner()
    dispatch = Dispatch(runner, runner, LoudnessActivity(), max_batch=2, max_wait_seconds=0.0, clock=ScriptedClock())
    scorer = ObedientScorer()
    part = windows(250, 1000, 600, 250, 1000)
    answer = await dispatch.score(ServedModel("a", "00", scorer, DetectorSettings()), part)
    assert scorer.batch_sizes == [2, 2, 1]
    np.testing.assert_array_equal(answer, PitchScorer().score(part))
    await dispatch.close()
    await runner.close(1.0)


@asynchronous
async def test_the_runner_outlives_work_that_raises():
    runner = Runner()

    def fail():
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        await runner.run(fail)
    assert await runner.run(lambda: 7) == 7
    await runner.close(1.0)


@asynchronous
async def test_a_runner_whose_work_hangs_is_left_behind():
    runner, may_end = Runner(), threading.Event()
    asked = asyncio.create_task(runner.run(lambda: may_end.wait(20)))
    await asyncio.sleep(0)
    assert not await runner.close(0.05)
    may_end.set()
    assert await asked
    assert await runner.close(1.0)


@asynchronous
async def test_a_model_that_takes_too_long_is_asked_nothing_beside():
    runner, scorer = Runner(2), ObedientScorer()
    model = ServedModel("a", "00", scorer, DetectorSettings())
    dispatch = Dispatch(
        runner, runner, LoudnessActivity(), max_batch=1, max_wait_seconds=0.0, clock=MonotonicClock(), max_seconds=0.1
    )
    scorer.may_go.clear()
    with pytest.raises(ServiceNotReadyError, match="did not answer within"):
        await dispatch.score(model, windows(250))
    with pytest.raises(ServiceNotReadyError, match="still works on something else"):
        await dispatch.score(model, windows(250))
    scorer.may_go.set()
    while runner.num_waiting or not scorer.batch_sizes:
        await asyncio.sleep(0.001)
    assert len(await dispatch.score(model, windows(250))) == 1
    assert scorer.batch_sizes == [1, 1]
    await dispatch.close()
    assert await runner.close(1.0)
