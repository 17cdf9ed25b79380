"""`speechtune export CKPT --out PLACE`: for onnxruntime and numpy alone, or for the `transformers` library."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import CheckpointArgument, check_out_file
from speechtune.errors import ConfigError
from speechtune.extras import need


class Format(StrEnum):
    """What a checkpoint is exported as."""

    ONNX = "onnx"
    TRANSFORMERS = "transformers"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(export)


def export(
    checkpoint: CheckpointArgument,
    out: Annotated[Path, typer.Option(metavar="PLACE", help="The ONNX file to write, or the folder to make.")],
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="onnx: one file for onnxruntime. transformers: a folder that AutoModelForAudioClassification loads.",
        ),
    ] = Format.ONNX,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Make the linear layers int8: the file has a third of the size, and runs faster."),
    ] = False,
    golden: Annotated[
        bool,
        typer.Option(
            help="Write golden vectors beside the ONNX file, with which `speechtune check-export` judges a port."
        ),
    ] = True,
) -> None:
    """Export a checkpoint as ONNX: float32[B, N] at 16 kHz to logits and posteriors, labels and settings included.

    Or for `transformers`: a folder with the weights, a feature extractor and a modelling file of its own.
    """
    need("export", "train")
    from speechtune.models.checkpoints.hub import local_folder

    if format_ is Format.TRANSFORMERS:
        if int8:
            raise ConfigError("--int8 belongs to --format onnx: transformers runs the weights as they are")
        _export_transformers(local_folder(checkpoint), out)
        return
    check_out_file(out)
    from speechtune.cli.terminal.interrupts import interruptible
    from speechtune.cli.terminal.progress import progress_bars

    left = f"{out} is as it was" if out.exists() else f"{out} is not written"
    with interruptible(left), progress_bars() as progress:
        progress("load checkpoint", 0, 1)
        from speechtune.models.checkpoints.checkpoint import load_checkpoint
        from speechtune.models.export import export_onnx

        loaded = load_checkpoint(local_folder(checkpoint))
        progress("load checkpoint", 1, 1)
        report = export_onnx(loaded, out, int8=int8, golden=golden, progress=progress)
    typer.echo(
        f"{report.path}: {report.num_bytes / 1e6:.1f} MB, {report.description.precision}, "
        f"posteriors within {report.max_difference:.1g} of torch's on noise, a made-up voice and silence"
    )
    if report.golden is not None:
        typer.echo(f"{report.golden}: golden vectors; check a port with: speechtune check-export {report.path}")


def _export_transformers(source: Path, out: Path) -> None:
    from speechtune.models.for_transformers.folder import export_transformers

    report = export_transformers(source, out)
    typer.echo(
        f"{report.folder}: {report.num_bytes / 1e6:.1f} MB, posteriors within {report.max_difference:.1g} of the "
        "checkpoint's on noise, a made-up voice and silence; load it with trust_remote_code=True"
    )
