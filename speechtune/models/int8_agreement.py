"""Whether a model decides in int8 as it does in fp32: compared once on the clips that it was calibrated on.

What was found lies among the facts of a checkpoint, so that a server, which has no clips, can choose by it. Needs no
torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speechtune.streaming.config import Scorer

if TYPE_CHECKING:
    from pydantic import JsonValue

FACT = "int8_agreement"
"""Its name among the facts of a checkpoint's making."""

_LEAST_SHARE = 0.995
_MOST_DIFFERENCE = 0.1
"""Of a keyword's posterior: thresholds may be moved later, and a decision must not hang on more than that."""


class Int8Agreement(BaseModel):
    """What int8 made of windows of calibration clips, beside fp32.

    Attributes:
        num_windows: how many were compared.
        num_same: of so many the decision was the same: no keyword, or the same one.
        largest_difference: between two posteriors of a keyword, 0 to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_windows: int = Field(ge=1)
    num_same: int = Field(ge=0)
    largest_difference: float = Field(ge=0.0, le=1.0)

    @property
    def is_enough(self) -> bool:
        """Whether int8 may stand for fp32.

        It decides alike all windows but one in two hundred, and no posterior moves by more than a tenth.
        """
        return self.num_same >= _LEAST_SHARE * self.num_windows and self.largest_difference <= _MOST_DIFFERENCE

    def __str__(self) -> str:
        """What is shown of it."""
        return (
            f"int8 decides {self.num_same} of {self.num_windows} windows of the calibration clips as fp32 does; "
            f"posteriors differ by {self.largest_difference:.3f} at most"
        )


@dataclass(frozen=True)
class _Decided:
    keyword: NDArray[np.int64]
    posteriors: NDArray[np.float32]


def agreement_between(fp32: Scorer, int8: Scorer, windows: NDArray[np.float32]) -> Int8Agreement:
    """Score windows float32[B, N], B >= 1, with both and compare what each decides at the thresholds of `fp32`."""
    whole, small = (_decided(scorer, fp32.thresholds, windows) for scorer in (fp32, int8))
    return Int8Agreement(
        num_windows=len(windows),
        num_same=int((whole.keyword == small.keyword).sum()),
        largest_difference=round(float(np.abs(whole.posteriors - small.posteriors).max()), 4),
    )


def recorded_agreement(training: Mapping[str, JsonValue]) -> Int8Agreement | None:
    """What the facts of a checkpoint's making say of it; None: nothing that makes sense."""
    try:
        return Int8Agreement.model_validate(training.get(FACT))
    except ValidationError:
        return None


def _decided(scorer: Scorer, thresholds: Mapping[str, float], windows: NDArray[np.float32]) -> _Decided:
    """The number of the keyword that each window is decided to hold, -1 for none, and the keywords' posteriors."""
    keywords = scorer.labels.keywords
    posteriors = scorer.score(windows)[:, : len(keywords)]
    best = posteriors.argmax(axis=1)
    needed = np.array([thresholds[keyword] for keyword in keywords])[best]
    is_reached = posteriors[np.arange(len(windows)), best] >= needed
    return _Decided(np.where(is_reached, best, -1), posteriors)
