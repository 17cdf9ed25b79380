"""The clips of the encoder phase in the order in which they are heard; any part of any batch can be made alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from speechtune.data.variation.augment import silence_window
from speechtune.errors import ConfigError
from speechtune.recipe import Recipe
from speechtune.training.material.windows import TrainingWindow, varied_window

_PHASE = 1  # keeps this phase's random numbers apart from those of the cached embeddings
_AHEAD = 4

Piece = TypeVar("Piece")
Made = TypeVar("Made")


@dataclass(frozen=True)
class ClipsInMemory:
    """What a phase learns from.

    Attributes:
        samples: the clips, each float32[any] at 16 kHz.
        targets: int64[N], the class of each.
        recordings: background noises, each float32[any].
        silence: the class of silence.
    """

    samples: Sequence[NDArray[np.float32]]
    targets: NDArray[np.int64]
    recordings: Sequence[NDArray[np.float32]]
    silence: int


class TuningBatches:
    """`tune.augment.copies` varied copies of every clip and `tune.silence_clips` windows of silence, shuffled once.

    Attributes:
        num_steps: whole batches there are; what is left over is not heard.
        targets: int64[steps × batch], the classes in their order.
    """

    def __init__(
        self, clips: ClipsInMemory, chosen: NDArray[np.int64], window_samples: int, hears_log_mel: bool, recipe: Recipe
    ) -> None:
        """Lay out the clips at `chosen`.

        Raises:
            ConfigError: fewer than one batch, or no copies at all.
        """
        settings = recipe.tune
        self._clips, self._window_samples, self._hears_log_mel = clips, window_samples, hears_log_mel
        self._recipe = recipe
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
        of_row = np.append(clips.targets, clips.silence)  # silence is clip -1
        self.targets: NDArray[np.int64] = of_row[self._rows[:, 0]]

    def places(self, step: int, part: int, num_parts: int) -> NDArray[np.int64]:
        """Where in the order the clips of one part of a step's batch lie."""
        size = self._recipe.tune.batch_clips
        return np.arange(step * size, (step + 1) * size)[part::num_parts]

    def window(self, place: int) -> TrainingWindow:
        """The window at `place` in the order."""
        clip, copy = (int(number) for number in self._rows[place])
        settings, recordings = self._recipe.tune.augment, self._clips.recordings
        if clip < 0:
            rng = np.random.default_rng((self._recipe.seed, _PHASE, copy))
            return TrainingWindow(silence_window(self._window_samples, recordings, rng))
        rng = np.random.default_rng((self._recipe.seed, _PHASE, clip, copy))
        samples = self._clips.samples[clip]
        return varied_window(
            samples, self._window_samples, settings, recordings, rng, hears_log_mel=self._hears_log_mel
        )


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
