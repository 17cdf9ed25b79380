"""`speechtune evaluate CKPT [DATA] [--stream FILE|DIR] --out DIR`: how good a system is on what it never heard."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import (
    MODEL_HELP,
    BackendOption,
    SpeakerPatternOption,
    SyntheticOption,
    check_out_folder,
)
from speechtune.errors import ConfigError
from speechtune.extras import need
from speechtune.remote.server_access import (
    AuthoritiesOption,
    CertificateOption,
    KeyFileOption,
    PrivateKeyOption,
    ServerAccess,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechtune.evaluation.evaluate import ClipPart, StreamPart
    from speechtune.evaluation.systems import System
    from speechtune.models.backends import Backend


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(evaluate)


def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(metavar="[CKPT]", help=f"{MODEL_HELP}; may be left out with --address."),
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
        Path | None, typer.Option(metavar="FILE|DIR", help="The label tracks. Defaults to those beside the recordings.")
    ] = None,
    conditions: Annotated[
        bool,
        typer.Option(
            "--conditions", help="Score a part of the clips again in noise, in rooms, and at other speeds and levels."
        ),
    ] = False,
    noise: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of background recordings for --conditions. Defaults to synthetic noise."
        ),
    ] = None,
    train: Annotated[
        Path | None, typer.Option(metavar="DATA", help="The training clips, to look for leaks into the test.")
    ] = None,
    speaker_pattern: SpeakerPatternOption = None,
    synthetic: SyntheticOption = False,
    backend: BackendOption = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Ask a running server. CKPT then tells which words the model was shown as negatives.",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Name of the server's model, with --address. Defaults to the server's default.")
    ] = "",
    authorities: AuthoritiesOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Measure a system on held-out clips, on long recordings, or on both, and write a report to look at.

    Where the clips declare a test split, that alone is used. Synthetic clips are left out.
    """
    need("evaluate", "train")
    from rich.console import Console

    from speechtune.cli.terminal.interrupts import interruptible
    from speechtune.cli.terminal.progress import StageBars
    from speechtune.evaluation.evaluate import TestClips, TestRecordings
    from speechtune.evaluation.evaluate import evaluate as evaluate_system
    from speechtune.evaluation.reports.folder import render_part, write_evaluation
    from speechtune.evaluation.reports.page import REPORT_NAME

    if address is not None and data is None and checkpoint is not None and not _is_model(checkpoint):
        checkpoint, data = None, checkpoint
    _check_options(data, stream, truth, conditions or noise is not None or train is not None)
    access = None if address is None else ServerAccess(address, authorities, certificate, private_key, key_file)
    _check_system(checkpoint, access, model, authorities or certificate or private_key or key_file)
    if access is not None and backend is not None:
        raise ConfigError("--backend belongs to a checkpoint of this machine: a server has its own")
    check_out_folder(out)
    clips = None if data is None else TestClips(data, speaker_pattern, train, conditions, noise, synthetic)
    recordings = None if stream is None else TestRecordings(stream, truth)
    console = Console()
    with (
        interruptible(f"nothing is written to {out}"),
        _system(checkpoint, access, model, backend) as system,
        closing(StageBars()) as bars,
    ):

        def show(part: ClipPart | StreamPart) -> None:
            bars.close()
            console.print(render_part(part))

        evaluation = evaluate_system(system, clips, recordings, progress=bars, measured=show)
        bars("write report", 0, 1)
        earlier = write_evaluation(evaluation, out)
        bars("write report", 1, 1)
    console.print(f"figures {out}, report {out / REPORT_NAME}", highlight=False, markup=False, soft_wrap=True)
    if earlier:
        note = f"note: {', '.join(earlier)} in {out} are of an earlier evaluation, which this report does not show"
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _is_model(path: Path) -> bool:
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
