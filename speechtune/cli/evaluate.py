"""`speechtune evaluate CKPT [DATA] [--stream FILE|DIR] --out DIR`: how good a checkpoint is on what it never heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import CheckpointArgument, SpeakerPatternOption
from speechtune.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import JsonValue
    from rich.console import RenderableType

    from speechtune.data.clips import Clip, ClipSet
    from speechtune.evaluation.conditions import ConditionMetrics
    from speechtune.evaluation.html_report import ClipPart, StreamPart
    from speechtune.models.checkpoint import Checkpoint


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(evaluate)


@dataclass(frozen=True)
class _ClipOptions:
    data: Path
    speaker_pattern: str | None
    train: Path | None
    conditions: bool
    noise: Path | None


def evaluate(
    checkpoint: CheckpointArgument,
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="Test clips: folder per label, or a manifest.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the figures and report.html.")],
    stream: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Long recordings, with Audacity label tracks (.txt) beside them."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE|DIR", help="The label tracks, where they lie elsewhere.")
    ] = None,
    conditions: Annotated[
        bool, typer.Option("--conditions", help="Score some clips again in noise, rooms, other speeds and levels.")
    ] = False,
    noise: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Background recordings for --conditions; otherwise synthetic.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option(metavar="DATA", help="The training clips, to look for leaks into the test.")
    ] = None,
    speaker_pattern: SpeakerPatternOption = None,
) -> None:
    """Measure a checkpoint on held-out clips, on long recordings, or on both, and write a report to look at.

    Where the clips declare a test split, that alone is used.
    """
    from rich.console import Console

    from speechtune.evaluation.html_report import ReportSource, write_html_report
    from speechtune.models.checkpoint import load_checkpoint

    _check_options(data, stream, truth, conditions or noise is not None or train is not None)
    loaded = load_checkpoint(checkpoint)
    console = Console()
    facts = _facts(loaded, checkpoint)
    clip_part = stream_part = None
    if data is not None:
        options = _ClipOptions(data, speaker_pattern, train, conditions or noise is not None, noise)
        report, clip_part = _clips(loaded, options, out, facts)
        console.print(report)
    if stream is not None:
        report, stream_part = _streams(loaded, stream, truth, out)
        console.print(report)
        facts["recordings"] = str(stream)
    title = f"{checkpoint.name} on " + " and ".join(path.name for path in (data, stream) if path is not None)
    written = write_html_report(ReportSource(title, facts, clip_part, stream_part), out)
    console.print(f"figures {out}, report {written}", highlight=False, markup=False, soft_wrap=True)


def _check_options(data: Path | None, stream: Path | None, truth: Path | None, has_clip_options: bool) -> None:
    if data is None and stream is None:
        raise ConfigError("evaluate: name test clips (DATA), long recordings (--stream), or both")
    if truth is not None and stream is None:
        raise ConfigError("--truth belongs to --stream")
    if has_clip_options and data is None:
        raise ConfigError("--conditions, --noise and --train belong to test clips: name them (DATA)")


def _facts(loaded: Checkpoint, checkpoint: Path) -> dict[str, JsonValue]:
    return {
        "checkpoint": str(checkpoint),
        "digest": loaded.digest,
        "encoder": loaded.classifier.encoder.name,
        **{f"training: {name}": value for name, value in loaded.training.items()},
    }


def _clips(
    loaded: Checkpoint, options: _ClipOptions, out: Path, facts: dict[str, JsonValue]
) -> tuple[RenderableType, ClipPart]:
    from speechtune.cli.progress import progress_bars
    from speechtune.data.clips import ClipSet, fingerprint, read_clip
    from speechtune.data.loading import load_clips
    from speechtune.evaluation.clipwise import evaluate_clips
    from speechtune.evaluation.html_report import ClipPart
    from speechtune.evaluation.metrics import write_metrics
    from speechtune.evaluation.prediction_file import save_predictions
    from speechtune.evaluation.report import render_report

    clip_set = load_clips(options.data, options.speaker_pattern)
    clips = clip_set.in_split("test") or clip_set.clips
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
    write_metrics(report.metrics, out)
    facts["test clips"] = str(options.data)
    facts["test clips: fingerprint"] = fingerprint(ClipSet(clip_set.root, clips))
    part = ClipPart(
        report.metrics,
        report.predictions,
        lambda row: read_clip(clips[row]),
        _conditions(loaded, clips, options) if options.conditions else (),
        None if options.train is None else _leaks(options, clip_set),
    )
    return render_report(report.metrics), part


def _conditions(loaded: Checkpoint, clips: tuple[Clip, ...], options: _ClipOptions) -> list[ConditionMetrics]:
    from speechtune.audio.files import read_audio
    from speechtune.cli.progress import progress_bars
    from speechtune.data.loading import load_noise
    from speechtune.evaluation.conditions import score_conditions

    noises = [] if options.noise is None else [read_audio(path) for path in load_noise(options.noise)]
    with progress_bars() as progress:
        return score_conditions(loaded.scorer(), clips, noises, progress=progress)


def _leaks(options: _ClipOptions, test: ClipSet) -> list[str]:
    from speechtune.data.leaks import find_leaks
    from speechtune.data.loading import load_clips

    train = load_clips(options.train or options.data, options.speaker_pattern)
    learnt = [clip for clip in train.clips if clip.split in (None, "train")]
    tested = test.in_split("test") or test.clips
    return [
        f"The {leak.kind} {leak.what} is in {len(leak.train)} training clips and {len(leak.test)} test clips."
        for leak in find_leaks(learnt, tested)
    ]


def _streams(loaded: Checkpoint, stream: Path, truth: Path | None, out: Path) -> tuple[RenderableType, StreamPart]:
    from speechtune.cli.progress import progress_bars
    from speechtune.evaluation.html_report import StreamPart
    from speechtune.evaluation.listening import ListeningSettings, decision_compute_ms, listen
    from speechtune.evaluation.recordings import find_recordings, read_part
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
    write_stream_metrics(metrics, out)
    heard = {one.recording.name: one for one in listening.heard}
    part = StreamPart(metrics, lambda name, start, end: read_part(heard[name].recording, start, end))
    return render_stream_report(metrics), part
