"""A classifier as one ONNX file, run by ONNX Runtime: waveform to posteriors, without torch.

The file says itself what it is, as JSON under `METADATA_KEY`; `export` writes it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from speechtune.errors import (
    CheckpointCorruptError,
    CheckpointIncompatibleError,
    CheckpointNotFoundError,
    ConfigError,
    UnsupportedAudioError,
)
from speechtune.labels import LabelSet
from speechtune.models.encoders.bounds import Keywords, Negatives, WindowSamples
from speechtune.names import composed
from speechtune.recipe import DetectorSettings, EndpointingSettings

METADATA_KEY = "speechtune"
BATCH_NAME = "batch"
INPUT_NAME = "waveforms"
LOGITS_NAME = "logits"
POSTERIORS_NAME = "posteriors"

_FORMAT_VERSION: Literal[2] = 2
_FP32_BATCH = 4  # larger ones gain no more


class OnnxDescription(BaseModel):
    """What an exported file says about itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1, 2] = _FORMAT_VERSION
    """1: int8 took the convolutions and the head as well, which made it slower and less like fp32."""
    precision: Literal["fp32", "int8"]
    """int8: the encoder's linear layers; everything else is fp32."""
    checkpoint_digest: str
    """Digest of the checkpoint it was made from."""
    encoder: str
    keywords: Keywords
    negatives: Negatives
    window_samples: WindowSamples
    thresholds: dict[Annotated[str, AfterValidator(composed)], Annotated[float, Field(ge=0.0, le=1.0)]]
    detector: DetectorSettings
    endpointing: EndpointingSettings
    second_look: bool = True
    """Whether who serves it looks again where it is in doubt; the graph itself looks once."""

    @property
    def is_current(self) -> bool:
        """Whether an export made now would have this form."""
        return self.format_version == _FORMAT_VERSION


class OnnxScorer:
    """The `streaming.config.Scorer` of an exported file. Several threads may call `score` at once.

    Windows are scored one by one: a server never waits for a batch to fill, and the int8 layers, which take their scale
    from everything in one call, then give a window the same posteriors whatever company it has. With `num_cores` many
    windows are shared out over the cores, whole ones to each; of an fp32 file then four go in one call, which takes a
    fifth less time and moves a posterior in its seventh decimal.

    Args:
        path: what `export_onnx` wrote.
        num_threads: cores that one window may use.
        num_cores: cores that the windows of one call of `score` may use.

    Raises:
        CheckpointNotFoundError: no such file.
        CheckpointCorruptError: it cannot be read.
        CheckpointIncompatibleError: another program's file, or of a newer version.
    """

    def __init__(self, path: Path, num_threads: int = 1, num_cores: int = 1) -> None:
        self._session = _opened(path, num_threads, 1)
        self.description = _description(self._session, path)
        self._labels = LabelSet(self.description.keywords, self.description.negatives)
        self._workers = ThreadPoolExecutor(num_cores, thread_name_prefix="speechtune-onnx") if num_cores > 1 else None
        self._batch = _FP32_BATCH if num_cores > 1 and self.description.precision == "fp32" else 1
        self._batch_session = self._session if self._batch == 1 else _opened(path, num_threads, self._batch)

    @property
    def labels(self) -> LabelSet:
        """The labels, in the order of the posteriors."""
        return self._labels

    @property
    def thresholds(self) -> dict[str, float]:
        """The calibrated threshold of every keyword."""
        return dict(self.description.thresholds)

    @property
    def window_samples(self) -> int:
        """Length of the windows it takes."""
        return self.description.window_samples

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[B, window_samples] to calibrated posteriors float32[B, K], each row summing to 1.

        Raises:
            UnsupportedAudioError: another shape.
        """
        if windows.ndim != 2 or windows.shape[1] != self.window_samples:
            raise UnsupportedAudioError(
                f"windows of shape {windows.shape}: this model takes [any, {self.window_samples}]"
            )
        if not len(windows):
            return np.empty((0, len(self.labels.labels)), dtype=np.float32)
        in_batches = len(windows) - len(windows) % self._batch
        pieces = [windows[start : start + self._batch] for start in range(0, in_batches, self._batch)]
        pieces += [windows[start : start + 1] for start in range(in_batches, len(windows))]
        run = map if self._workers is None else self._workers.map
        return np.concatenate(list(run(self._score_piece, pieces)))

    def _score_piece(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score one window, or as many as the batch has."""
        session = self._session if len(windows) == 1 else self._batch_session
        posteriors: NDArray[np.float32] = session.run([POSTERIORS_NAME], {INPUT_NAME: windows})[0]
        return posteriors


def read_onnx_description(path: Path) -> OnnxDescription:
    """What an exported file says about itself.

    Raises:
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: as for `OnnxScorer`.
    """
    return _description(_opened(path, 1, 1), path)


def _opened(path: Path, num_threads: int, batch: int) -> Any:
    """The runtime's session for so many windows in a call."""
    if not path.is_file():
        raise CheckpointNotFoundError(f"model {path}: no such file; make it with: speechtune export CKPT --out {path}")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads that spin would take the cores that the streams need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Shapes that are known beforehand spare a tenth of the work: the runtime computes them once.
    options.add_free_dimension_override_by_name(BATCH_NAME, batch)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # every failure of the runtime has a class of its own, without a common one
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointCorruptError(f"model {path}: cannot be read ({reason}); export it again") from error


def _description(session: Any, path: Path) -> OnnxDescription:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise CheckpointIncompatibleError(
            f"model {path}: another program's file; make one with: speechtune export CKPT --out {path}"
        )
    try:
        description = OnnxDescription.model_validate_json(text)
        LabelSet(description.keywords, description.negatives)
    except (ValidationError, ConfigError) as error:
        raise CheckpointIncompatibleError(
            f"model {path}: described in a way this speechtune does not know; export it again"
        ) from error
    return description
