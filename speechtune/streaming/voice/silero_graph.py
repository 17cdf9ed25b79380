"""Silero VAD's network, with its weights, as a graph that judges frames of many streams in one call.

The package's own files run it as convolutions over four points in time, for which runtimes have no quick kernel, and
take either many frames of one stream or one frame of many. Here every convolution is a matrix product over all frames
of all streams, and only the recurrent layer goes frame by frame: a quarter of the time, to the last rounding the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import EncoderUnavailableError

HEARD_SAMPLES = 576
"""A frame of 512 samples after the last 64 of the frame before."""
HIDDEN_SIZE = 128

_OPSET = 17
_IR_VERSION = 8
_HOP = 128
_BINS = 129
_SHAPES = {
    "stft.forward_basis_buffer": (258, 1, 256),
    "encoder.0.weight": (128, _BINS, 3),
    "encoder.0.bias": (128,),
    "encoder.1.weight": (64, 128, 3),
    "encoder.1.bias": (64,),
    "encoder.2.weight": (64, 64, 3),
    "encoder.2.bias": (64,),
    "encoder.3.weight": (128, 64, 3),
    "encoder.3.bias": (128,),
    "output.weight": (1, HIDDEN_SIZE, 1),
    "output.bias": (1,),
}
_RECURRENT_SHAPES = ((1, 512, 128), (1, 512, 128), (1, 1024))

_Weights = dict[str, NDArray[np.float32]]


def many_streams_graph(path: Path) -> bytes:
    """The ONNX model to run, built around the weights of the package's `silero_vad_16k_sequence.onnx`.

    Inputs `heard` float32[F, B, 576] (frames of B streams, in order), `h` and `c` float32[1, B, 128]; outputs
    `probabilities` float32[F, B] and the states after the last frame, `h_after` and `c_after`.

    Raises:
        EncoderUnavailableError: the file holds another network.
    """
    import onnx

    graph = _Graph()
    weights, recurrent = _weights(path)
    _recur(graph, _features(graph, weights), weights, recurrent)
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


def _weights(path: Path) -> tuple[_Weights, list[NDArray[np.float32]]]:
    import onnx

    weights: _Weights = {}
    recurrent: list[NDArray[np.float32]] = []
    graph = onnx.load(str(path)).graph
    for tensor in graph.initializer:
        weights[tensor.name] = onnx.numpy_helper.to_array(tensor)
    for node in graph.node:
        if node.op_type == "LSTM":
            recurrent = [weights[name] for name in node.input[1:4] if name in weights]
    found = {name: weights[name].shape for name in _SHAPES if name in weights}
    if found != _SHAPES or tuple(array.shape for array in recurrent) != _RECURRENT_SHAPES:
        raise EncoderUnavailableError(
            f"voice activity model: {path} holds another network than Silero VAD 6; run: pip install 'silero-vad>=6,<7'"
        )
    return weights, recurrent


def _features(graph: _Graph, weights: _Weights) -> str:
    """From frames to what the recurrent layer hears, [F · B, 128]: spectrum and four convolutions, B inside F."""
    basis = weights["stft.forward_basis_buffer"][:, 0]
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
    weight = weights[f"encoder.{layer}.weight"].transpose(2, 1, 0)[first:last]
    return weight.reshape(-1, weight.shape[-1]), weights[f"encoder.{layer}.bias"]


def _recur(graph: _Graph, features: str, weights: _Weights, recurrent: Sequence[NDArray[np.float32]]) -> None:
    sizes = graph.slice(graph.add("Shape", "heard"), 0, 2, axis=0)
    shape = graph.add("Concat", sizes, graph.integers(HIDDEN_SIZE), axis=0)
    sequences = graph.add("Reshape", features, shape)
    no_lengths = ""
    inputs = (sequences, *map(graph.constant, recurrent), no_lengths, "h", "c")
    graph.add("LSTM", *inputs, outputs=("states", "h_after", "c_after"), hidden_size=HIDDEN_SIZE)
    states = graph.add("Relu", graph.add("Squeeze", "states", graph.integers(1)))
    answer = graph.add("MatMul", states, graph.constant(weights["output.weight"][0]))
    answer = graph.add("Sigmoid", graph.add("Add", answer, graph.constant(weights["output.bias"])))
    graph.add("Squeeze", answer, graph.integers(-1), outputs=("probabilities",))


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
