"""`speechtune evaluate CKPT [DATA] [--stream FILE|DIR] --out DIR`: how good a system is on what it never heard."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import SpeakerPatternOption, SyntheticOption
from speechtune.cli.server_access import (
    AuthoritiesOption,
    CertificateOption,
    KeyFileOption,
    PrivateKeyOption,
    ServerAccess,
)
from speechtune.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue
    from rich.console import RenderableType

    from speechtune.cli.local_system import System
    from speechtune.data.clips import Clip
    from speechtune.evaluation.conditions import ConditionMetrics
    from speechtune.evaluation.html_report import ClipPart, StreamPart


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
    synthetic: bool


def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(metavar="[CKPT]", help="Checkpoint or exported .onnx file; may be left out with --address."),
    ] = None,
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
    synthetic: SyntheticOption = False,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Ask a running server; CKPT then tells which words it was shown."),
    ] = None,
    model: Annotated[str, typer.Option(help="With --address: name of the model; otherwise the default.")] = "",
    authorities: AuthoritiesOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Measure a system on held-out clips, on long recordings, or on both, and write a report to look at.

    Where the clips declare a test split, that alone is used. Synthetic clips are left out.
    """
    from rich.console import Console

    from speechtune.evaluation.html_report import ReportSource, write_html_report

    if address is not None and data is None and checkpoint is not None and not _is_checkpoint(checkpoint):
        checkpoint, data = None, checkpoint
    has_conditions = conditions or noise is not None
    _check_options(data, stream, truth, has_conditions or train is not None)
    access = None if address is None else ServerAccess(address, authorities, certificate, private_key, key_file)
    _check_system(checkpoint, access, model, authorities or certificate or private_key)
    console = Console()
    clip_part = stream_part = None
    with _system(checkpoint, access, model) as system:
        facts = dict(system.facts)
        if data is not None:
            options = _ClipOptions(data, speaker_pattern, train, has_conditions, noise, synthetic)
            report, clip_part = _clips(system, options, out, facts)
            console.print(report)
            if (note := facts.get("test clips: note")) is not None:
                console.print(f"note: {note}", style="yellow", highlight=False, markup=False)
        if stream is not None:
            report, stream_part = _streams(system, stream, truth, out)
            console.print(report)
            facts["recordings"] = str(stream)
    title = f"{system.name} on " + " and ".join(path.name for path in (data, stream) if path is not None)
    written = write_html_report(ReportSource(title, facts, clip_part, stream_part), out)
    console.print(f"figures {out}, report {written}", highlight=False, markup=False, soft_wrap=True)


def _is_checkpoint(path: Path) -> bool:
    from speechtune.models.checkpoint_files import DESCRIPTION_FILE

    return (path / DESCRIPTION_FILE).is_file()


@contextmanager
def _system(checkpoint: Path | None, access: ServerAccess | None, model: str) -> Iterator[System]:
    if access is not None:
        from speechtune.cli.server_system import server_system

        with server_system(access, model, checkpoint) as served:
            yield served
    elif checkpoint is not None:
        from speechtune.cli.local_system import open_system

        yield open_system(checkpoint)


def _check_options(data: Path | None, stream: Path | None, truth: Path | None, has_clip_options: bool) -> None:
    if data is None and stream is None:
        raise ConfigError("evaluate: name test clips (DATA), long recordings (--stream), or both")
    if truth is not None and stream is None:
        raise ConfigError("--truth belongs to --stream")
    if has_clip_options and data is None:
        raise ConfigError("--conditions, --noise and --train belong to test clips: name them (DATA)")


def _check_system(checkpoint: Path | None, access: ServerAccess | None, model: str, tls: Path | None) -> None:
    if checkpoint is None and access is None:
        raise ConfigError("evaluate: name a checkpoint (CKPT) or a running server (--address)")
    if access is None and (model or tls is not None):
        raise ConfigError("--model, --authorities, --certificate and --private-key belong to --address")


def _clips(
    system: System, options: _ClipOptions, out: Path, facts: dict[str, JsonValue]
) -> tuple[RenderableType, ClipPart]:
    from speechtune.cli.progress import progress_bars
    from speechtune.data.clips import fingerprint, read_clip
    from speechtune.data.judges import clips_to_test_on
    from speechtune.data.loading import load_clips
    from speechtune.evaluation.html_report import ClipPart
    from speechtune.evaluation.metrics import write_metrics
    from speechtune.evaluation.prediction_file import save_predictions
    from speechtune.evaluation.report import render_report

    clip_set = load_clips(options.data, options.speaker_pattern)
    clips, note = clips_to_test_on(clip_set, with_synthetic=options.synthetic)
    with progress_bars() as progress:
        report = system.answer_clips(clips, clip_set.root, progress)
    out.mkdir(parents=True, exist_ok=True)
    save_predictions(report.predictions, out / "predictions.jsonl")
    version = fingerprint(clip_set.with_clips(clips))
    metrics = report.metrics.model_copy(update={"data_fingerprint": version})
    write_metrics(metrics, out)
    facts["test clips"] = str(options.data)
    facts["test clips: fingerprint"] = version
    if note is not None:
        facts["test clips: note"] = note
    part = ClipPart(
        metrics,
        report.predictions,
        lambda row: read_clip(clips[row]),
        _conditions(system, clips, options) if options.conditions else (),
        None if options.train is None else _leaks(options, clips),
    )
    return render_report(metrics), part


def _conditions(system: System, clips: tuple[Clip, ...], options: _ClipOptions) -> list[ConditionMetrics]:
    from speechtune.audio.files import read_audio
    from speechtune.cli.progress import progress_bars
    from speechtune.data.loading import load_noise
    from speechtune.evaluation.conditions import score_conditions

    noises = [] if options.noise is None else [read_audio(path) for path in load_noise(options.noise)]
    with progress_bars() as progress:
        return score_conditions(system.scorer, clips, noises, progress=progress)


def _leaks(options: _ClipOptions, tested: tuple[Clip, ...]) -> list[str]:
    from speechtune.data.leaks import find_leaks
    from speechtune.data.loading import load_clips

    train = load_clips(options.train or options.data, options.speaker_pattern)
    learnt = [clip for clip in train.clips if clip.split in (None, "train")]
    return [
        f"The {leak.kind} {leak.what} is in {len(leak.train)} training clips and {len(leak.test)} test clips."
        for leak in find_leaks(learnt, tested)
    ]


def _streams(system: System, stream: Path, truth: Path | None, out: Path) -> tuple[RenderableType, StreamPart]:
    from speechtune.cli.progress import progress_bars
    from speechtune.evaluation.html_report import StreamPart
    from speechtune.evaluation.recordings import find_recordings, read_part
    from speechtune.evaluation.stream_metrics import write_stream_metrics
    from speechtune.evaluation.stream_report import render_stream_report

    recordings = find_recordings(stream, truth)
    with progress_bars() as progress:
        listening, metrics = system.answer_streams(recordings, progress)
    out.mkdir(parents=True, exist_ok=True)
    write_stream_metrics(metrics, out)
    heard = {one.recording.name: one for one in listening.heard}
    part = StreamPart(metrics, lambda name, start, end: read_part(heard[name].recording, start, end))
    return render_stream_report(metrics), part
