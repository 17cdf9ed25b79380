"""From a session's requests to the runners: batched for voice activity, and for models that gain by batches."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from speechtune.streaming.activity import ActivityAnswer, ActivityModel, ActivityRequest
from speechtune.streaming.config import Scorer
from speechtune_server.batcher import MicroBatcher
from speechtune_server.clock import Clock
from speechtune_server.model_store import ServedModel
from speechtune_server.runner import Runner

_MAX_FRAMES = 256  # 8 s of audio: more would make the windows of other streams wait for the one thread
_SUM_TOLERANCE = 1e-3

Windows = NDArray[np.float32]
Posteriors = NDArray[np.float32]


class Dispatch:
    """Answers the requests of every stream.

    Args:
        listening: the thread that runs the voice activity model, so that it waits for no recogniser.
        scoring: the threads that run the recognisers.
        activity: the voice activity model.
        max_batch: windows scored at once.
        max_wait_seconds: how long a request waits for others.
        clock: tells the time.
    """

    def __init__(
        self,
        listening: Runner,
        scoring: Runner,
        activity: ActivityModel,
        max_batch: int,
        max_wait_seconds: float,
        clock: Clock,
    ) -> None:
        self._listening = listening
        self._runner = scoring
        self._activity = activity
        self._max_batch = max_batch
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock
        self._judging: MicroBatcher[ActivityRequest, ActivityAnswer] = MicroBatcher(
            self._judge_batch, lambda request: len(request.frames), _MAX_FRAMES, max_wait_seconds, clock
        )
        # A model that is unloaded goes once its last stream has ended.
        self._scoring: WeakKeyDictionary[ServedModel, MicroBatcher[Windows, Posteriors]] = WeakKeyDictionary()

    async def judge(self, request: ActivityRequest) -> ActivityAnswer:
        """Voice activity of one stream's frames."""
        return await self._judging.submit(request)

    async def score(self, model: ServedModel, windows: Windows) -> Posteriors:
        """Posteriors float32[B, K] of one stream's windows float32[B, N].

        More windows than a batch holds go into several, one after the other, so that other streams get in between.
        """
        if model.is_parallel:
            rows = [await self._score_alone(model.scorer, windows[index : index + 1]) for index in range(len(windows))]
            return rows[0] if len(rows) == 1 else np.concatenate(rows)
        batcher = self._scoring.get(model)
        if batcher is None:
            batcher = self._scoring[model] = self._scoring_batcher(model.scorer)
        step = self._max_batch
        answers = [await batcher.submit(windows[start : start + step]) for start in range(0, len(windows), step)]
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    async def close(self) -> None:
        """Stop; requests that wait are cancelled."""
        await asyncio.gather(self._judging.close(), *(batcher.close() for batcher in self._scoring.values()))

    async def _score_alone(self, scorer: Scorer, windows: Windows) -> Posteriors:
        return (await self._runner.run(lambda: score_together(scorer, [windows])))[0]

    def _scoring_batcher(self, scorer: Scorer) -> MicroBatcher[Windows, Posteriors]:
        async def run(batch: list[Windows]) -> list[Posteriors]:
            return await self._runner.run(lambda: score_together(scorer, batch))

        return MicroBatcher(run, len, self._max_batch, self._max_wait_seconds, self._clock)

    async def _judge_batch(self, batch: list[ActivityRequest]) -> list[ActivityAnswer]:
        return await self._listening.run(lambda: [self._activity.judge(request) for request in batch])


def score_together(scorer: Scorer, batch: list[Windows]) -> list[Posteriors]:
    """Score the windows of several streams in one call and deal the posteriors out again.

    Raises:
        ArithmeticError: the scorer gave something that is not posteriors; better said than served.
    """
    posteriors = scorer.score(np.concatenate(batch))
    shape = (sum(len(windows) for windows in batch), len(scorer.labels.labels))
    if posteriors.shape != shape:
        raise ArithmeticError(f"the scorer gave posteriors of shape {posteriors.shape} where {shape} was due")
    if not np.allclose(posteriors.sum(axis=1), 1.0, atol=_SUM_TOLERANCE):  # NaN is not close to anything
        raise ArithmeticError("the scorer gave posteriors that do not add up to 1")
    ends = np.cumsum([len(windows) for windows in batch])[:-1]
    return list(np.split(posteriors, ends))
