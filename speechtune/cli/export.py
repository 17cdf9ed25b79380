"""`speechtune export CKPT --out model.onnx`: one file that onnxruntime and numpy alone can run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import CheckpointArgument, check_out_file
from speechtune.extras import need


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(export)


def export(
    checkpoint: CheckpointArgument,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The ONNX file to write.")],
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Make the linear layers int8: the file has a third of the size, and runs faster."),
    ] = False,
) -> None:
    """Export a checkpoint as ONNX: float32[B, N] at 16 kHz to logits and posteriors, labels and settings included."""
    need("export", "train")
    check_out_file(out)
    from speechtune.models.checkpoints.checkpoint import load_checkpoint
    from speechtune.models.checkpoints.hub import local_folder
    from speechtune.models.export import export_onnx

    report = export_onnx(load_checkpoint(local_folder(checkpoint)), out, int8=int8)
    typer.echo(
        f"{report.path}: {report.num_bytes / 1e6:.1f} MB, {report.description.precision}, "
        f"posteriors within {report.max_difference:.1g} of torch's on noise and silence"
    )
