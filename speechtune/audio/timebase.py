"""The one clock: an `int` count of samples at 16 kHz from the start of a clip or stream.

Time is never a float of seconds inside the library; it becomes one only where a person or a wire reads it.
"""

from __future__ import annotations

SAMPLE_RATE_HZ = 16_000
"""Every encoder of the supported families was pretrained at this rate."""

SAMPLES_PER_MS, _rest = divmod(SAMPLE_RATE_HZ, 1000)
if _rest:
    raise AssertionError("a millisecond must be a whole number of samples")


def samples_from_ms(milliseconds: int) -> int:
    """Number of samples in whole `milliseconds`.

    >>> samples_from_ms(1000)
    16000
    """
    return milliseconds * SAMPLES_PER_MS


def ms_from_samples(num_samples: int) -> float:
    """Milliseconds in `num_samples`, exactly.

    >>> ms_from_samples(8)
    0.5
    """
    return num_samples / SAMPLES_PER_MS


def seconds_from_samples(num_samples: int) -> float:
    """Seconds in `num_samples`.

    >>> seconds_from_samples(24_000)
    1.5
    """
    return num_samples / SAMPLE_RATE_HZ
