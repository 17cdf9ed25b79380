"""`speechtune evaluate CKPT DATA --out DIR`: how good a checkpoint is on clips that it was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from speechtune.cli.options import CheckpointArgument, DataArgument, SpeakerPatternOption


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(evaluate)


def evaluate(
    checkpoint: CheckpointArgument,
    data: DataArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for metrics.json and predictions.jsonl.")],
    speaker_pattern: SpeakerPatternOption = None,
) -> None:
    """Measure a checkpoint on held-out clips; where the data declares a test split, on that alone."""
    from speechtune.cli.progress import progress_bars
    from speechtune.data.loading import load_clips
    from speechtune.evaluation.clipwise import evaluate_clips
    from speechtune.evaluation.metrics import write_metrics
    from speechtune.evaluation.prediction_file import save_predictions
    from speechtune.evaluation.report import render_report
    from speechtune.models.checkpoint import load_checkpoint

    clip_set = load_clips(data, speaker_pattern)
    clips = clip_set.in_split("test") or clip_set.clips
    loaded = load_checkpoint(checkpoint)
    with progress_bars() as progress:
        report = evaluate_clips(
            loaded.scorer(),
            clips,
            root=clip_set.root,
            encoder=loaded.classifier.encoder.name,
            checkpoint_digest=loaded.digest,
            progress=progress,
        )
    out.mkdir(parents=True, exist_ok=True)
    save_predictions(report.predictions, out / "predictions.jsonl")
    written = write_metrics(report.metrics, out)
    console = Console()
    console.print(render_report(report.metrics))
    console.print(f"figures {written}", highlight=False)
