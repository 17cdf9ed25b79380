"""From a session's requests to the runners: batched for voice activity, and for models that gain by batches."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ServiceNotReadyError
from speechtune.streaming.config import Scorer
from speechtune.streaming.voice.activity import ActivityAnswer, ActivityModel, ActivityRequest
from speechtune_server.engine.batcher import MicroBatcher
from speechtune_server.engine.model_store import ServedModel, are_posteriors
from speechtune_server.engine.runner import Runner
from speechtune_server.process.clock import Clock, within
from speechtune_server.process.metrics import Metrics, NoMetrics
from speechtune_server.process.tracing import NoTracing

_MAX_FRAMES = 256  # 8 s of audio: more would make the windows of other streams wait for the one thread

Answer = TypeVar("Answer")
Windows = NDArray[np.float32]
Posteriors = NDArray[np.float32]


_log = logging.getLogger(__name__)


class Dispatch:
    """Answers the requests of every stream.

    Args:
        activity_runner: the thread that runs the voice activity model, so that it waits for no recogniser.
        scoring: the threads that run the recognisers.
        activity: the voice activity model.
        max_batch: windows scored at once.
        max_wait_seconds: how long a request waits for others.
        clock: tells the time.
        max_seconds: a model that has not answered after so long is not waited for; None: it is.
        metrics: is told of every batch.
        tracing: makes a span of what one stream has a recogniser do.
    """

    def __init__(
        self,
        activity_runner: Runner,
        scoring: Runner,
        activity: ActivityModel,
        max_batch: int,
        max_wait_seconds: float,
        clock: Clock,
        max_seconds: float | None = None,
        metrics: Metrics | None = None,
        tracing: NoTracing | None = None,
    ) -> None:
        self._activity_runner = activity_runner
        self._runner = scoring
        self._activity = activity
        self._max_batch = max_batch
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock
        self._max_seconds = max_seconds
        self._metrics = metrics or NoMetrics()
        self._tracing = tracing or NoTracing()
        self._activity_batches: MicroBatcher[ActivityRequest, ActivityAnswer] = MicroBatcher(
            self._activity_of_batch, lambda request: len(request.frames), _MAX_FRAMES, max_wait_seconds, clock
        )
        # A model that is unloaded goes once its last stream has ended.
        self._scoring: WeakKeyDictionary[ServedModel, MicroBatcher[Windows, Posteriors]] = WeakKeyDictionary()

    async def voice_activity(self, request: ActivityRequest) -> ActivityAnswer:
        """Voice activity of one stream's frames."""
        return await self._activity_batches.submit(request)

    async def score(self, model: ServedModel, windows: Windows) -> Posteriors:
        """Posteriors float32[B, K] of one stream's windows float32[B, N].

        More windows than a batch holds go into several, one after the other, so that other streams get in between.
        """
        with self._tracing.work("score", len(windows)):
            return await self._score(model, windows)

    async def _score(self, model: ServedModel, windows: Windows) -> Posteriors:
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
        await asyncio.gather(self._activity_batches.close(), *(batcher.close() for batcher in self._scoring.values()))

    @property
    def num_waiting_scores(self) -> int:
        """Requests that wait for a recogniser."""
        return self._runner.num_waiting + sum(batcher.num_waiting for batcher in self._scoring.values())

    @property
    def num_waiting_activity(self) -> int:
        """Requests that wait for the voice activity model."""
        return self._activity_runner.num_waiting + self._activity_batches.num_waiting

    async def _score_alone(self, scorer: Scorer, windows: Windows) -> Posteriors:
        return (await self._run(self._runner, lambda: score_together(scorer, [windows]), "scoring", len(windows)))[0]

    def _scoring_batcher(self, scorer: Scorer) -> MicroBatcher[Windows, Posteriors]:
        at_work = threading.Lock()

        def score(batch: list[Windows]) -> list[Posteriors]:
            # What took too long goes on unheard; a second call beside it is what the scorer does not stand.
            if not at_work.acquire(blocking=False):
                raise ServiceNotReadyError("the model still works on something else; try again, or another server")
            try:
                return score_together(scorer, batch)
            finally:
                at_work.release()

        async def run(batch: list[Windows]) -> list[Posteriors]:
            return await self._run(self._runner, lambda: score(batch), "scoring", sum(map(len, batch)))

        return MicroBatcher(run, len, self._max_batch, self._max_wait_seconds, self._clock)

    async def _activity_of_batch(self, batch: list[ActivityRequest]) -> list[ActivityAnswer]:
        size = sum(len(request.frames) for request in batch)
        return await self._run(
            self._activity_runner, lambda: self._activity.probabilities_together(batch), "activity", size
        )

    async def _run(self, runner: Runner, work: Callable[[], Answer], kind: str, size: int) -> Answer:
        """Have a runner do `work`.

        Raises:
            ServiceNotReadyError: it took too long; what waits is dropped, what runs goes on unheard.
        """
        began = self._clock.now()
        try:
            answer = await within(self._max_seconds, runner.run(work))
        except TimeoutError as error:
            _log.error("%s of %d did not end within %s s", kind, size, self._max_seconds)
            raise ServiceNotReadyError(
                f"a model did not answer within {self._max_seconds:g} s; try again, or another server"
            ) from error
        self._metrics.batch_ran(kind, size, self._clock.now() - began)
        return answer


def score_together(scorer: Scorer, batch: list[Windows]) -> list[Posteriors]:
    """Score the windows of several streams in one call and deal the posteriors out again.

    Raises:
        ArithmeticError: the scorer gave something that is not posteriors; better said than served.
    """
    posteriors = scorer.score(np.concatenate(batch))
    shape = (sum(len(windows) for windows in batch), len(scorer.labels.labels))
    if posteriors.shape != shape:
        raise ArithmeticError(f"the scorer gave posteriors of shape {posteriors.shape} where {shape} was due")
    if not are_posteriors(posteriors):
        raise ArithmeticError("the scorer gave posteriors that do not add up to 1")
    ends = np.cumsum([len(windows) for windows in batch])[:-1]
    return list(np.split(posteriors, ends))
