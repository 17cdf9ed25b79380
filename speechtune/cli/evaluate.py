"""`speechtune evaluate CKPT [DATA] [--stream FILE|DIR] --out DIR`: how good a system is on what it never heard."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import (
    BackendOption,
    SpeakerPatternOption,
    SyntheticOption,
    check_out_folder,
)
from speechtune.errors import ConfigError
from speechtune.remote.server_access import (
    AuthoritiesOption,
    CertificateOption,
    KeyFileOption,
    PrivateKeyOption,
    ServerAccess,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from pydantic import JsonValue
    from rich.console import RenderableType

    from speechtune.data.sets.clips import Clip
    from speechtune.evaluation.clips.metrics import ConditionMetrics
    from speechtune.evaluation.reports.page import ClipPart, StreamPart
    from speechtune.evaluation.systems import System
    from speechtune.models.backends import Backend


NO_STREAMS = (
    "no long recordings were listened to: how often an hour it fires when nobody speaks to it cannot be told from "
    "clips; measure it with: speechtune evaluate CKPT DATA --stream RECORDINGS --out DIR"
)
"""What a report on clips alone says last; label tracks are wanted only where commands are said."""


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
    with_streams: bool


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
        typer.Option(
            metavar="FILE|DIR",
            help="Long recordings, each with an Audacity label track (.txt) beside it where commands are said; without "
            "one every event is counted as false.",
        ),
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
    backend: BackendOption = None,
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

    from speechtune.evaluation.answers.atomic_text import write_texts
    from speechtune.evaluation.reports.page import REPORT_NAME, ReportSource, html_report

    if address is not None and data is None and checkpoint is not None and not _is_checkpoint(checkpoint):
        checkpoint, data = None, checkpoint
    has_conditions = conditions or noise is not None
    _check_options(data, stream, truth, has_conditions or train is not None)
    access = None if address is None else ServerAccess(address, authorities, certificate, private_key, key_file)
    _check_system(checkpoint, access, model, authorities or certificate or private_key or key_file)
    if access is not None and backend is not None:
        raise ConfigError("--backend belongs to a checkpoint of this machine: a server has its own")
    check_out_folder(out)
    console = Console()
    clip_part = stream_part = None
    files: dict[str, str] = {}
    with _system(checkpoint, access, model, backend) as system:
        facts = dict(system.facts)
        if data is not None:
            options = _ClipOptions(data, speaker_pattern, train, has_conditions, noise, synthetic, stream is not None)
            clip_part = _clips(system, options, facts)
            console.print(_clip_figures(clip_part, files))
        if stream is not None:
            stream_part = _streams(system, stream, truth, facts)
            console.print(_stream_figures(stream_part, files))
    title = f"{system.name} on " + " and ".join(path.name for path in (data, stream) if path is not None)
    files[REPORT_NAME] = html_report(ReportSource(title, facts, clip_part, stream_part))
    write_texts(out, files)
    console.print(f"figures {out}, report {out / REPORT_NAME}", highlight=False, markup=False, soft_wrap=True)
    if earlier := _left_from_earlier(out, files):
        note = f"note: {', '.join(earlier)} in {out} are of an earlier evaluation, which this report does not show"
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _left_from_earlier(out: Path, files: dict[str, str]) -> list[str]:
    """Files of figures in the folder that this evaluation did not write."""
    from speechtune.evaluation.answers.files import PREDICTIONS_NAME
    from speechtune.evaluation.clips.metrics import METRICS_NAME
    from speechtune.evaluation.streams.metrics import STREAM_METRICS_NAME

    names = (METRICS_NAME, PREDICTIONS_NAME, STREAM_METRICS_NAME)
    return [name for name in names if name not in files and (out / name).exists()]


def _is_checkpoint(path: Path) -> bool:
    from speechtune.models.encoders.bounds import DESCRIPTION_FILE
    from speechtune.models.opened import is_exported

    return is_exported(path) or (path / DESCRIPTION_FILE).is_file()


@contextmanager
def _system(
    checkpoint: Path | None, access: ServerAccess | None, model: str, backend: Backend | None
) -> Iterator[System]:
    if access is not None:
        from speechtune.remote.server_system import server_system

        with server_system(access, model, checkpoint) as served:
            yield served
    elif checkpoint is not None:
        from speechtune.evaluation.systems import open_system

        yield open_system(checkpoint, backend)


def _check_options(data: Path | None, stream: Path | None, truth: Path | None, has_clip_options: bool) -> None:
    if data is None and stream is None:
        raise ConfigError("evaluate: name test clips (DATA), long recordings (--stream), or both")
    if truth is not None and stream is None:
        raise ConfigError("--truth belongs to --stream")
    if has_clip_options and data is None:
        raise ConfigError("--conditions, --noise and --train belong to test clips: name them (DATA)")


def _check_system(checkpoint: Path | None, access: ServerAccess | None, model: str, given: Path | None) -> None:
    if checkpoint is None and access is None:
        raise ConfigError("evaluate: name a checkpoint (CKPT) or a running server (--address)")
    if access is None and (model or given is not None):
        raise ConfigError("--model, --authorities, --certificate, --private-key and --key-file belong to --address")


def _clips(system: System, options: _ClipOptions, facts: dict[str, JsonValue]) -> ClipPart:
    from speechtune.audio.files import read_audio
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.data.choice.judges import clips_to_test_on
    from speechtune.data.sets.clips import fingerprint, read_clip
    from speechtune.data.sets.loading import load_clips, load_noise
    from speechtune.evaluation.reports.page import ClipPart

    clip_set = load_clips(options.data, options.speaker_pattern)
    clips, note = clips_to_test_on(clip_set, with_synthetic=options.synthetic)
    # Whatever may be wrong is read before the clips are scored, which takes minutes.
    noises = [] if options.noise is None else [read_audio(path) for path in load_noise(options.noise)]
    leaks = None if options.train is None else _leaks(options.train, options.speaker_pattern, clips)
    version = fingerprint(clip_set.with_clips(clips))
    facts["test clips"] = str(options.data)
    facts["test clips: fingerprint"] = version
    with progress_bars() as progress:
        report = system.answer_clips(clips, clip_set.root, progress)
    notes = [] if note is None else [note]
    untried = [] if options.with_streams else [NO_STREAMS]
    found = report.metrics.model_copy(
        update={
            "data_fingerprint": version,
            "conditions": _conditions(system, clips, noises) if options.conditions else [],
            "findings": [*notes, *_warnings(facts, leaks), *report.metrics.findings, *untried],
            "not_measured": {key: why for key, why in report.metrics.not_measured.items() if key != "data_fingerprint"},
        }
    )
    return ClipPart(found, report.predictions, lambda row: read_clip(clips[row]), leaks)


def _clip_figures(part: ClipPart, files: dict[str, str]) -> RenderableType:
    """Put the files of a part into `files`, and return what a person reads."""
    from speechtune.evaluation.answers.files import PREDICTIONS_NAME, predictions_text
    from speechtune.evaluation.clips.metrics import METRICS_NAME
    from speechtune.evaluation.figures.files import figures_text
    from speechtune.evaluation.reports.terminal import render_report

    files[PREDICTIONS_NAME] = predictions_text(part.predictions)
    files[METRICS_NAME] = figures_text(part.metrics)
    return render_report(part.metrics)


def _conditions(system: System, clips: tuple[Clip, ...], noises: list[NDArray[np.float32]]) -> list[ConditionMetrics]:
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.evaluation.clips.conditions import score_conditions

    with progress_bars() as progress:
        return score_conditions(system.scorer, clips, noises, progress=progress)


def _leaks(train: Path, speaker_pattern: str | None, tested: tuple[Clip, ...]) -> list[str]:
    from speechtune.data.inspection.leaks import find_leaks
    from speechtune.data.sets.loading import load_clips

    learnt = [clip for clip in load_clips(train, speaker_pattern).clips if clip.may_train]
    return [
        f"The {leak.kind} {leak.what} is in {len(leak.train)} training clips and {len(leak.test)} test clips."
        for leak in find_leaks(learnt, tested)
    ]


def _warnings(facts: dict[str, JsonValue], leaks: list[str] | None) -> list[str]:
    """What makes the figures flatter, as far as the checkpoint and the training data tell."""
    warnings = []
    if facts["test clips: fingerprint"] == facts.get("training: data_fingerprint"):
        warnings.append("these are the very clips that the model was trained on: the figures say nothing about others")
    if leaks:
        warnings.append(
            f"{len(leaks)} speakers, sessions or recordings are in training and test, so that the figures flatter; "
            f"the first: {leaks[0].rstrip('.')}"
        )
    return warnings


def _streams(system: System, stream: Path, truth: Path | None, facts: dict[str, JsonValue]) -> StreamPart:
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.evaluation.reports.page import StreamPart
    from speechtune.evaluation.streams.recordings import check_words, find_recordings, fingerprint_recordings, read_part

    recordings = find_recordings(stream, truth)
    check_words(recordings, system.scorer.labels.keywords)
    facts["recordings"] = str(stream)
    facts["recordings: fingerprint"] = fingerprint_recordings(recordings)
    with progress_bars() as progress:
        listening, metrics = system.answer_streams(recordings, progress)
    heard = {one.recording.name: one for one in listening.heard}
    return StreamPart(metrics, lambda name, start, end: read_part(heard[name].recording, start, end))


def _stream_figures(part: StreamPart, files: dict[str, str]) -> RenderableType:
    """As for clips."""
    from speechtune.evaluation.figures.files import figures_text
    from speechtune.evaluation.reports.streams import render_stream_report
    from speechtune.evaluation.streams.metrics import STREAM_METRICS_NAME

    files[STREAM_METRICS_NAME] = figures_text(part.metrics)
    return render_stream_report(part.metrics)
