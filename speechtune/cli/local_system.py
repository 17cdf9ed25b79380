"""A checkpoint or an exported ONNX file of this machine, as something to evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from speechtune.evaluation.listening import ListeningSettings

if TYPE_CHECKING:
    from pydantic import JsonValue

    from speechtune.data.clips import Clip
    from speechtune.evaluation.clipwise import ClipReport, Progress
    from speechtune.evaluation.listening import Listening
    from speechtune.evaluation.recordings import Recording
    from speechtune.evaluation.stream_metrics import StreamMetrics
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
        from speechtune.evaluation.clipwise import evaluate_clips

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
        from speechtune.evaluation.listening import decision_compute_ms, listen
        from speechtune.evaluation.stream_measurement import measure_streams
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


def open_system(path: Path) -> LocalSystem:
    """Load a checkpoint's folder or an exported `.onnx` file.

    Raises:
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: it cannot be used.
    """
    if path.suffix.lower() == ".onnx":
        return _exported(path)
    from speechtune.models.checkpoint import load_checkpoint

    loaded = load_checkpoint(path)
    facts: dict[str, JsonValue] = {
        "checkpoint": str(path),
        "digest": loaded.digest,
        "encoder": loaded.classifier.encoder.name,
        **{f"training: {name}": value for name, value in loaded.training.items()},
    }
    settings = ListeningSettings(loaded.recipe.detector, loaded.recipe.endpointing)
    return LocalSystem(path.name, facts, loaded.scorer(), settings, loaded.classifier.encoder.name, loaded.digest)


def _exported(path: Path) -> LocalSystem:
    from speechtune.models.onnx_scorer import OnnxScorer
    from speechtune.models.second_look import with_second_look

    scorer = OnnxScorer(path)
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
