"""The real voice activity model: one stream or many, in whatever pieces, the answers are the same to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.streaming.activity import FRAME_SAMPLES, ActivityRequest, SileroActivity

RNG = np.random.default_rng(0)
# Loud and soft noise with a pitch now and then: the answers range widely.
STREAMS = [
    (
        RNG.normal(0, 10 ** RNG.uniform(-3, -1), (40, FRAME_SAMPLES))
        + 0.2
        * np.sign(np.sin(np.arange(40 * FRAME_SAMPLES) * RNG.uniform(0.05, 0.2))).reshape(40, FRAME_SAMPLES)
        * (RNG.random((40, 1)) < 0.5)
    ).astype(np.float32)
    for _ in range(12)
]


@pytest.fixture(scope="module")
def model():
    return SileroActivity()


@pytest.fixture(scope="module")
def alone(model):
    return [model.judge(ActivityRequest(frames)) for frames in STREAMS]


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.lists(st.integers(1, 20), min_size=40, max_size=40), min_size=12, max_size=12))
def test_streams_judged_together_in_any_pieces_get_the_answers_they_get_alone(model, alone, cuts):
    assert np.ptp(np.concatenate([answer.probabilities for answer in alone])) > 0.3
    states, places, heard = [None] * 12, [0] * 12, [[] for _ in STREAMS]
    for round_number in range(40):
        going = [index for index in range(12) if places[index] < 40]
        if not going:
            break
        pieces = [STREAMS[index][places[index] : places[index] + cuts[index][round_number]] for index in going]
        answers = model.judge_together(
            [ActivityRequest(piece, states[index]) for index, piece in zip(going, pieces, strict=True)]
        )
        for index, piece, answer in zip(going, pieces, answers, strict=True):
            states[index] = answer.state
            places[index] += len(piece)
            heard[index].append(answer.probabilities)
    for index, answer in enumerate(alone):
        assert np.array_equal(np.concatenate(heard[index]), answer.probabilities)
        assert np.array_equal(states[index].hidden, answer.state.hidden)
        assert np.array_equal(states[index].context, answer.state.context)


def test_one_stream_alone_and_none_at_all_may_come_together_too(model, alone):
    assert model.judge_together([]) == []
    (answer,) = model.judge_together([ActivityRequest(STREAMS[0])])
    assert np.array_equal(answer.probabilities, alone[0].probabilities)


def test_no_stream_keeps_the_memory_of_the_others(model):
    answers = model.judge_together([ActivityRequest(frames[:3]) for frames in STREAMS])
    kept = [array for one in answers for array in (one.probabilities, one.state.hidden, one.state.context)]
    assert all(array.base is None for array in kept)
