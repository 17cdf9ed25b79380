"""Recent samples by their place in the stream: handed out without a copy, and never changed behind anybody's back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speechtune.streaming.windows import SampleBuffer


@given(sizes=st.lists(st.integers(1, 6_000), min_size=1, max_size=12), kept=st.integers(0, 5_000))
def test_what_was_handed_out_stays_as_it_is_whatever_comes_and_goes(sizes, kept):
    buffer, end, handed_out = SampleBuffer(first=100), 100, []
    for size in sizes:
        # Every sample holds its own place.
        buffer.append(np.arange(end, end + size, dtype=np.float32))
        end += size
        oldest = max(end - kept, 100)
        handed_out.append((oldest, end, buffer.between(oldest, end)))
        buffer.forget_before(oldest)
    assert buffer.end == end
    for first, last, samples in handed_out:
        assert np.array_equal(samples, np.arange(first, last, dtype=np.float32))


def test_places_that_are_not_held_are_zero():
    buffer = SampleBuffer(first=10)
    buffer.append(np.ones(5, dtype=np.float32))
    assert buffer.between(8, 17).tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
    assert buffer.between(12, 14).tolist() == [1, 1]
    assert buffer.between(20, 22).tolist() == [0, 0]
