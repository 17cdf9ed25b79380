"""`speechtune evaluate CKPT [DATA] [--stream FILE|DIR] --out DIR`: how good a checkpoint is on what it never heard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import CheckpointArgument, SpeakerPatternOption
from speechtune.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from speechtune.models.checkpoint import Checkpoint


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(evaluate)


def evaluate(
    checkpoint: CheckpointArgument,
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="Test clips: folder per label, or a manifest.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the figures.")],
    stream: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Long recordings, with Audacity label tracks (.txt) beside them."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE|DIR", help="The label tracks, where they lie elsewhere.")
    ] = None,
    speaker_pattern: SpeakerPatternOption = None,
) -> None:
    """Measure a checkpoint on held-out clips, on long recordings, or on both.

    Where the clips declare a test split, that alone is used.
    """
    from rich.console import Console

    from speechtune.models.checkpoint import load_checkpoint

    if data is None and stream is None:
        raise ConfigError("evaluate: name test clips (DATA), long recordings (--stream), or both")
    if truth is not None and stream is None:
        raise ConfigError("--truth belongs to --stream")
    loaded = load_checkpoint(checkpoint)
    console = Console()
    if data is not None:
        report, written = _clips(loaded, data, speaker_pattern, out)
        console.print(report)
        console.print(f"figures {written}", highlight=False, soft_wrap=True)
    if stream is not None:
        report, written = _streams(loaded, stream, truth, out)
        console.print(report)
        console.print(f"figures {written}", highlight=False, soft_wrap=True)


def _clips(loaded: Checkpoint, data: Path, speaker_pattern: str | None, out: Path) -> tuple[RenderableType, Path]:
    from speechtune.cli.progress import progress_bars
    from speechtune.data.loading import load_clips
    from speechtune.evaluation.clipwise import evaluate_clips
    from speechtune.evaluation.metrics import write_metrics
    from speechtune.evaluation.prediction_file import save_predictions
    from speechtune.evaluation.report import render_report

    clip_set = load_clips(data, speaker_pattern)
    with progress_bars() as progress:
        report = evaluate_clips(
            loaded.scorer(),
            clip_set.in_split("test") or clip_set.clips,
            root=clip_set.root,
            encoder=loaded.classifier.encoder.name,
            checkpoint_digest=loaded.digest,
            progress=progress,
        )
    out.mkdir(parents=True, exist_ok=True)
    save_predictions(report.predictions, out / "predictions.jsonl")
    return render_report(report.metrics), write_metrics(report.metrics, out)


def _streams(loaded: Checkpoint, stream: Path, truth: Path | None, out: Path) -> tuple[RenderableType, Path]:
    from speechtune.cli.progress import progress_bars
    from speechtune.evaluation.listening import ListeningSettings, decision_compute_ms, listen
    from speechtune.evaluation.recordings import find_recordings
    from speechtune.evaluation.stream_measurement import measure_streams
    from speechtune.evaluation.stream_metrics import write_stream_metrics
    from speechtune.evaluation.stream_report import render_stream_report
    from speechtune.streaming.activity import SileroActivity

    recordings = find_recordings(stream, truth)
    scorer, activity = loaded.scorer(), SileroActivity()
    settings = ListeningSettings(loaded.recipe.detector, loaded.recipe.endpointing)
    with progress_bars() as progress:
        listening = listen(scorer, activity, recordings, settings, progress)
    metrics = measure_streams(
        listening,
        compute_ms=decision_compute_ms(scorer, activity),
        encoder=loaded.classifier.encoder.name,
        checkpoint_digest=loaded.digest,
    )
    out.mkdir(parents=True, exist_ok=True)
    return render_stream_report(metrics), write_stream_metrics(metrics, out)
