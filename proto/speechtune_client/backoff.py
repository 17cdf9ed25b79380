"""How long to wait before the next attempt: longer each time, and never all devices at once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from speechtune_client.errors import (
    CancelledError,
    ClientError,
    DeadlineError,
    OverloadedError,
    ServerFaultError,
    UnavailableError,
)

_FIRST_SECONDS = 0.25
_LONGEST_SECONDS = 10.0
_NUM_DOUBLINGS = math.ceil(math.log2(_LONGEST_SECONDS / _FIRST_SECONDS))
_PASSING = (UnavailableError, OverloadedError, DeadlineError, CancelledError, ServerFaultError)


@dataclass
class Backoff:
    """Doubles with every failure in a row, up to ten seconds; drawn evenly from the upper half of that.

    Attributes:
        draw: an even draw from 0 to 1.
    """

    draw: Callable[[], float] = random.random
    num_failures: int = 0

    def seconds(self, error: ClientError | None) -> float:
        """What to wait after another failure; at least what the server asked for, where it did."""
        # A server may be away for weeks: the power itself would overflow.
        longest = min(_FIRST_SECONDS * 2.0 ** min(self.num_failures, _NUM_DOUBLINGS), _LONGEST_SECONDS)
        self.num_failures += 1
        asked = (error.retry_after or 0.0) if error is not None else 0.0
        return max(longest, asked) * (0.5 + 0.5 * self.draw()) + 0.5 * asked

    def succeeded(self) -> None:
        """Begin anew."""
        self.num_failures = 0


def is_passing(error: ClientError) -> bool:
    """Whether trying again may help; a refused request or key is refused again."""
    return isinstance(error, _PASSING)
