"""Training that goes wrong is stopped at once, by name, with what to change."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from speechtune.errors import TrainingDivergedError

_BLOW_UP = 3.0
_RECENT_STEPS = 10
_COLLAPSE_SHARE = 0.9
_SMOOTHING = 0.8


class LossWatch:
    """Told of every step of a phase; raises when the loss or the answers show that training is lost.

    Args:
        phase: named in messages.
        class_names: of the classes, in order.
    """

    def __init__(self, phase: str, class_names: Sequence[str]) -> None:
        self._phase = phase
        self._names = class_names
        self._first: float | None = None
        self._smooth = 0.0
        self._answers: deque[tuple[list[int], list[int]]] = deque(maxlen=_RECENT_STEPS)

    def check(self, step: int, loss: float, answers: Sequence[int], targets: Sequence[int]) -> None:
        """Look at one step: its loss, and what was answered on clips of classes `targets`.

        Raises:
            TrainingDivergedError: the loss is not finite; or, smoothed over five steps, it is three times what it was
                at first and worse than knowing nothing; or nine in ten of the last ten steps' answers are one class
                that at most half as many clips have.
        """
        if not math.isfinite(loss):
            raise TrainingDivergedError(
                f"{self._phase}, step {step}: the loss is {loss}; halve tune.learning_rate, set "
                "tune.precision=float32, and look for damaged clips with: speechtune inspect"
            )
        self._smooth = loss if self._first is None else _SMOOTHING * self._smooth + (1.0 - _SMOOTHING) * loss
        self._first = loss if self._first is None else self._first
        if self._smooth > _BLOW_UP * self._first and self._smooth > _BLOW_UP / 2.0 * math.log(len(self._names)):
            raise TrainingDivergedError(
                f"{self._phase}, step {step}: the loss rose from {self._first:.3g} to {self._smooth:.3g}; divide "
                "tune.learning_rate by 3, or lower tune.clip_norm"
            )
        self._answers.append((list(answers), list(targets)))
        if len(self._answers) == _RECENT_STEPS:
            self._check_collapse(step)

    def _check_collapse(self, step: int) -> None:
        size = len(self._names)
        answered = np.bincount(np.concatenate([answers for answers, _ in self._answers]), minlength=size)
        said = np.bincount(np.concatenate([targets for _, targets in self._answers]), minlength=size)
        winner = int(answered.argmax())
        if answered[winner] >= _COLLAPSE_SHARE * answered.sum() and answered[winner] >= 2 * said[winner]:
            raise TrainingDivergedError(
                f"{self._phase}, step {step}: collapsed: {answered[winner] / answered.sum():.0%} of all clips are "
                f"called {self._names[winner]!r}; divide tune.learning_rate by 3, raise head.class_balance, and check "
                "that the labels are right"
            )
