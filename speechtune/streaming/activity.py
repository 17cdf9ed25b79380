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

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import EncoderUnavailableError

FRAME_SAMPLES = 512
"""The model's own step: 32 ms."""

_CONTEXT_SAMPLES = 64
_HIDDEN_SIZE = 128
_RATE = np.array(SAMPLE_RATE_HZ, dtype=np.int64)
_WARM_UP_FRAMES = 10
_MANY_FRAMES, _FEW_STREAMS = 16, 8
"""A stream's frames are judged quicker by themselves where they are so many, or fewer streams wait."""


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
    """Judges frames; a script may stand in for it in a test."""

    def judge(self, request: ActivityRequest) -> ActivityAnswer:
        """Judge the frames of one stream."""

    def judge_together(self, requests: Sequence[ActivityRequest]) -> list[ActivityAnswer]:
        """Judge the frames of several streams: the answers that each would get alone."""


class SileroActivity:
    """Silero VAD v6 for 16 kHz in ONNX Runtime, from the `silero-vad` package.

    The package has the model in two forms with the same answers to the bit: one takes any number of frames of one
    stream, the other one frame of each of any number of streams. With three frames each, as microphones send them,
    streams are done in nine tenths of the time where ten are judged together, in three quarters where fifty are.

    Raises:
        EncoderUnavailableError: the package or its model file is not installed.
    """

    def __init__(self, num_threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # the files hold unused initialisers; loading says so for each of them
        self._of_one, self._of_many = (
            onnxruntime.InferenceSession(
                _model_path(name).read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
            )
            for name in ("silero_vad_16k_sequence.onnx", "silero_vad.onnx")
        )
        # Started cold, the model misses words in the first tenth of a second: 9 % of tightly cut clips. A stream
        # therefore begins as if some silence had gone before.
        self._after_silence = ActivityState(
            np.zeros((2, _HIDDEN_SIZE), dtype=np.float32), np.zeros(_CONTEXT_SAMPLES, dtype=np.float32)
        )
        silence = np.zeros((_WARM_UP_FRAMES, FRAME_SAMPLES), dtype=np.float32)
        self._after_silence = self.judge(ActivityRequest(silence)).state

    def judge(self, request: ActivityRequest) -> ActivityAnswer:
        """Judge the frames of one stream; the answer does not depend on how they were grouped."""
        frames = request.frames
        before = self._after_silence if request.state is None else request.state
        tails = np.concatenate([before.context[None], frames[:-1, -_CONTEXT_SAMPLES:]])
        hidden = before.hidden
        probabilities, h, c = self._of_one.run(
            None,
            {
                "input": np.concatenate([tails, frames], axis=1),
                "h": hidden[0].reshape(1, 1, _HIDDEN_SIZE),
                "c": hidden[1].reshape(1, 1, _HIDDEN_SIZE),
            },
        )
        state = ActivityState(np.stack([h[0, 0], c[0, 0]]), frames[-1, -_CONTEXT_SAMPLES:].copy())
        return ActivityAnswer(probabilities, state)

    def judge_together(self, requests: Sequence[ActivityRequest]) -> list[ActivityAnswer]:
        """Judge the frames of several streams, a frame of each at a time; see `ActivityModel`."""
        few = [index for index, request in enumerate(requests) if len(request.frames) < _MANY_FRAMES]
        if len(few) < _FEW_STREAMS:
            return [self.judge(request) for request in requests]
        together = dict(zip(few, self._judge_in_step([requests[index] for index in few]), strict=True))
        return [together.get(index) or self.judge(request) for index, request in enumerate(requests)]

    def _judge_in_step(self, requests: Sequence[ActivityRequest]) -> list[ActivityAnswer]:
        before = [self._after_silence if request.state is None else request.state for request in requests]
        hidden = np.stack([state.hidden for state in before], axis=1)
        contexts = np.stack([state.context for state in before])
        lengths = np.array([len(request.frames) for request in requests])
        probabilities = np.zeros((len(requests), int(lengths.max())), dtype=np.float32)
        for step in range(int(lengths.max())):
            going = np.flatnonzero(lengths > step)
            frames = np.stack([requests[index].frames[step] for index in going.tolist()])
            heard = np.concatenate([contexts[going], frames], axis=1)
            answer, state = self._of_many.run(None, {"input": heard, "state": hidden[:, going], "sr": _RATE})
            probabilities[going, step], hidden[:, going], contexts[going] = (
                answer[:, 0],
                state,
                frames[:, -_CONTEXT_SAMPLES:],
            )
        # Copies, so that no stream keeps what belongs to all of them.
        return [
            ActivityAnswer(
                probabilities[index, :length].copy(), ActivityState(hidden[:, index].copy(), contexts[index].copy())
            )
            for index, length in enumerate(lengths)
        ]


def _model_path(name: str) -> Path:
    # The package itself imports torch; its model files are all that is needed.
    spec = importlib.util.find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "data" / name
        if path.is_file():
            return path
    raise EncoderUnavailableError(
        f"voice activity model: silero_vad/data/{name} is not installed; run: pip install 'silero-vad>=6,<7'"
    )
