"""A checkpoint or an exported ONNX file of this machine, as something to evaluate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from speechtune.cli.options import EvaluationBackend
from speechtune.errors import ConfigError
from speechtune.evaluation.streams.playback import ListeningSettings

if TYPE_CHECKING:
    from pydantic import JsonValue

    from speechtune.data.sets.clips import Clip
    from speechtune.evaluation.clips.scoring import ClipReport, Progress
    from speechtune.evaluation.streams.metrics import StreamMetrics
    from speechtune.evaluation.streams.playback import Listening
    from speechtune.evaluation.streams.recordings import Recording
    from speechtune.models.checkpoints.checkpoint import Checkpoint
    from speechtune.streaming.config import Scorer


class System(Protocol):
    """What can be evaluated, wherever it runs."""

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def facts(self) -> dict[str, JsonValue]:
        """What a report says about it."""

    @property
    def scorer(self) -> Scorer:
        """Scores windows."""

    def answer_clips(self, clips: Sequence[Clip], root: Path, progress: Progress) -> ClipReport:
        """Answer and measure; errors as for `evaluate_clips`."""

    def answer_streams(self, recordings: Sequence[Recording], progress: Progress) -> tuple[Listening, StreamMetrics]:
        """Listen and measure; errors as for `listen` and `measure_streams`."""


@dataclass(frozen=True)
class LocalSystem:
    """A model in this process.

    Attributes:
        name: of its folder or file.
        facts: what the report says about it.
        scorer: the model; settings: of its sessions.
        encoder, digest: what it is, for the record.
    """

    name: str
    facts: dict[str, JsonValue]
    scorer: Scorer
    settings: ListeningSettings
    encoder: str
    digest: str

    def answer_clips(self, clips: Sequence[Clip], root: Path, progress: Progress) -> ClipReport:
        """As for `System`."""
        from speechtune.evaluation.clips.scoring import evaluate_clips

        return evaluate_clips(
            self.scorer,
            clips,
            root=root,
            encoder=self.encoder,
            checkpoint_digest=self.digest,
            progress=progress,
        )

    def answer_streams(self, recordings: Sequence[Recording], progress: Progress) -> tuple[Listening, StreamMetrics]:
        """As for `System`."""
        from speechtune.evaluation.streams.measurement import measure_streams
        from speechtune.evaluation.streams.playback import decision_compute_ms, listen
        from speechtune.streaming.activity import SileroActivity

        activity = SileroActivity()
        listening = listen(self.scorer, activity, recordings, self.settings, progress)
        metrics = measure_streams(
            listening,
            compute_ms=decision_compute_ms(self.scorer, activity),
            encoder=self.encoder,
            checkpoint_digest=self.digest,
        )
        return listening, metrics


def open_system(path: Path, backend: EvaluationBackend | None = None) -> LocalSystem:
    """Load a checkpoint's folder or an exported `.onnx` file.

    Args:
        path: the folder or the file.
        backend: what runs a checkpoint; none: torch. For ONNX Runtime it is exported into a temporary folder.

    Raises:
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: it cannot be used.
        ConfigError: a backend for an exported file, which says itself what it is.
    """
    if path.suffix.lower() == ".onnx":
        if backend is not None:
            raise ConfigError(
                f"--backend {backend} belongs to a checkpoint's folder: {path.name} runs as it is exported"
            )
        return _exported(path)
    from speechtune.models.checkpoints.checkpoint import load_checkpoint

    loaded = load_checkpoint(path)
    facts: dict[str, JsonValue] = {
        "checkpoint": str(path),
        "digest": loaded.digest,
        "encoder": loaded.classifier.encoder.name,
        "backend": str(backend or EvaluationBackend.TORCH),
        **{f"training: {name}": value for name, value in loaded.training.items()},
    }
    settings = ListeningSettings(loaded.recipe.detector, loaded.recipe.endpointing)
    if backend in (EvaluationBackend.ONNX, EvaluationBackend.ONNX_INT8):
        scorer = _through_onnx(loaded, int8=backend is EvaluationBackend.ONNX_INT8)
    else:
        scorer = loaded.scorer()
    return LocalSystem(path.name, facts, scorer, settings, loaded.classifier.encoder.name, loaded.digest)


def _through_onnx(loaded: Checkpoint, *, int8: bool) -> Scorer:
    """A checkpoint's scorer by ONNX Runtime, which needs the file no more once it is loaded."""
    from tempfile import TemporaryDirectory

    from speechtune.models.export import export_onnx
    from speechtune.models.scorers.onnx_scorer import OnnxScorer
    from speechtune.models.scorers.second_look import with_second_look

    with TemporaryDirectory(prefix="speechtune-") as folder:
        report = export_onnx(loaded, Path(folder) / "model.onnx", int8=int8)
        scorer = OnnxScorer(report.path, num_cores=_num_cores())
    return with_second_look(scorer, report.description.second_look)


def _num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _exported(path: Path) -> LocalSystem:
    from speechtune.models.scorers.onnx_scorer import OnnxScorer
    from speechtune.models.scorers.second_look import with_second_look

    scorer = OnnxScorer(path, num_cores=_num_cores())
    said = scorer.description
    facts: dict[str, JsonValue] = {
        "exported file": str(path),
        "precision": said.precision,
        "digest": said.checkpoint_digest,
        "encoder": said.encoder,
    }
    settings = ListeningSettings(said.detector, said.endpointing)
    looking = with_second_look(scorer, said.second_look)
    return LocalSystem(path.name, facts, looking, settings, said.encoder, said.checkpoint_digest)
