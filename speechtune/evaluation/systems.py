"""What can be evaluated: a model of this process, or one that runs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from speechtune.models.opened import OpenModel, open_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from speechtune.data.sets.clips import Clip
    from speechtune.evaluation.clips.scoring import ClipReport, Progress
    from speechtune.evaluation.streams.metrics import StreamMetrics
    from speechtune.evaluation.streams.playback import Playback
    from speechtune.evaluation.streams.recordings import Recording
    from speechtune.models.backends import Backend
    from speechtune.streaming.config import Scorer


class System(Protocol):
    """What can be evaluated, wherever it runs."""

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def facts(self) -> Mapping[str, JsonValue]:
        """What a report says about it, name -> value."""

    @property
    def scorer(self) -> Scorer:
        """Scores windows."""

    def answer_clips(self, clips: Sequence[Clip], root: Path, progress: Progress) -> ClipReport:
        """Answer and measure; errors as for `evaluate_clips`."""

    def answer_streams(self, recordings: Sequence[Recording], progress: Progress) -> tuple[Playback, StreamMetrics]:
        """Listen and measure; errors as for `play` and `compute_stream_metrics`."""


@dataclass(frozen=True, eq=False)
class LocalSystem:
    """An open model, as something to evaluate."""

    model: OpenModel

    @property
    def name(self) -> str:
        """As for `System`."""
        return self.model.name

    @property
    def facts(self) -> Mapping[str, JsonValue]:
        """As for `System`."""
        return self.model.facts

    @property
    def scorer(self) -> Scorer:
        """As for `System`."""
        return self.model.scorer

    def answer_clips(self, clips: Sequence[Clip], root: Path, progress: Progress) -> ClipReport:
        """As for `System`."""
        from speechtune.evaluation.clips.scoring import evaluate_clips

        return evaluate_clips(
            self.scorer,
            clips,
            root=root,
            encoder=self.model.encoder,
            checkpoint_digest=self.model.digest,
            progress=progress,
        )

    def answer_streams(self, recordings: Sequence[Recording], progress: Progress) -> tuple[Playback, StreamMetrics]:
        """As for `System`."""
        from speechtune.evaluation.streams.compute import LOWEST_DET_THRESHOLD, compute_stream_metrics
        from speechtune.evaluation.streams.playback import decision_compute_ms, play
        from speechtune.streaming.voice.activity import SileroActivity

        activity = SileroActivity()
        playback = play(self.scorer, activity, recordings, self.model.settings, progress, LOWEST_DET_THRESHOLD)
        metrics = compute_stream_metrics(
            playback,
            compute_ms=decision_compute_ms(self.scorer, activity),
            encoder=self.model.encoder,
            checkpoint_digest=self.model.digest,
        )
        return playback, metrics


def open_system(path: Path, backend: Backend | None = None) -> LocalSystem:
    """Open a checkpoint's folder or an exported file to evaluate it; arguments and errors as for `open_model`."""
    return LocalSystem(open_model(path, backend))
