"""The clips of the encoder phase in the order in which they are heard; any part of any batch can be made alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ConfigError
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import Recipe
from speechtune.training.material.training_set import TrainingSet
from speechtune.training.material.windows import TrainingWindow, Variation

_PHASE = 1  # keeps this phase's random numbers apart from those of the cached embeddings
_AHEAD = 4

Piece = TypeVar("Piece")
Made = TypeVar("Made")


class TuningBatches:
    """`tune.augment.copies` varied copies of every clip and `tune.silence_clips` windows of silence, shuffled once.

    Attributes:
        num_steps: whole batches there are; what is left over is not heard.
        targets: int64[steps × batch], the classes in their order.
    """

    def __init__(
        self, read: TrainingSet, chosen: NDArray[np.int64], classifier: KeywordClassifier, recipe: Recipe
    ) -> None:
        """Lay out the clips at `chosen` for the encoder of `classifier`.

        Raises:
            ConfigError: fewer than one batch, or no copies at all.
        """
        settings = recipe.tune
        self._samples, self._recipe = read.samples, recipe
        self._vary = Variation(
            classifier.window_samples, settings.augment, read.recordings, classifier.encoder.hears_log_mel
        )
        copies = settings.augment.copies
        num_silence = settings.silence_clips
        rows = np.stack([np.repeat(chosen, copies), np.tile(np.arange(copies), len(chosen))], axis=1)
        silent = np.stack([np.full(num_silence, -1), np.arange(num_silence)], axis=1)
        rows = np.concatenate([rows, silent])
        self.num_steps = len(rows) // settings.batch_clips
        if self.num_steps < 1:
            raise ConfigError(
                f"tune.augment.copies: {copies} of {len(chosen)} clips and {num_silence} of silence fill no batch of "
                f"{settings.batch_clips}; take more copies or a smaller tune.batch_clips"
            )
        order = np.random.default_rng((recipe.seed, _PHASE)).permutation(len(rows))
        self._rows = rows[order][: self.num_steps * settings.batch_clips]
        of_row = np.append(np.asarray(read.targets, np.int64), len(read.labels.classes) - 1)  # silence is clip -1
        self.targets: NDArray[np.int64] = of_row[self._rows[:, 0]]

    def places(self, step: int, part: int, num_parts: int) -> NDArray[np.int64]:
        """Where in the order the clips of one part of a step's batch lie."""
        size = self._recipe.tune.batch_clips
        return np.arange(step * size, (step + 1) * size)[part::num_parts]

    def window(self, place: int) -> TrainingWindow:
        """The window at `place` in the order."""
        clip, copy = (int(number) for number in self._rows[place])
        if clip < 0:
            return self._vary.silence(np.random.default_rng((self._recipe.seed, _PHASE, copy)))
        return self._vary(self._samples[clip], np.random.default_rng((self._recipe.seed, _PHASE, clip, copy)))


def made_ahead(make: Callable[[Piece], Made], pieces: Iterable[Piece], num_threads: int) -> Generator[Made]:
    """`make` of every piece in order, a few pieces ahead of the one that is used, in other threads."""
    with ThreadPoolExecutor(num_threads) as workers:
        pending: deque[Future[Made]] = deque()
        for piece in pieces:
            pending.append(workers.submit(make, piece))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
