"""`speechtune info CKPT`: what a model recognises and how it was made. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.audio.timebase import ms_from_samples
from speechtune.cli.options import ModelArgument

if TYPE_CHECKING:
    from speechtune.models.checkpoints.files import CheckpointDescription
    from speechtune.models.scorers.onnx_scorer import OnnxDescription
    from speechtune.recipe import DetectorSettings


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(info)


def info(
    checkpoint: ModelArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole description as JSON.")] = False,
) -> None:
    """Show what a checkpoint or an exported model recognises, and how it was made."""
    from rich.console import Console
    from rich.table import Table

    from speechtune.models.opened import is_exported

    described = _of_exported(checkpoint) if is_exported(checkpoint) else _of_folder(checkpoint)
    description, detector, facts, digest = described
    refractory_ms = {keyword: detector.refractory_ms_for(keyword) for keyword in description.keywords}
    if as_json:
        more = {"refractory_ms": refractory_ms, "digest": digest}
        typer.echo(json.dumps(description.model_dump(mode="json") | more, indent=2))
        return
    console = Console(markup=False)  # a negative may be called [[j'am]]
    shown = Table(box=None, show_header=False, pad_edge=False)
    shown.add_column()
    shown.add_column(overflow="fold")  # digests are there to be copied
    for name, value in facts.items():
        shown.add_row(name, value)
    console.print(shown)
    table = Table("keyword", "threshold", "not again within", box=None, pad_edge=False)
    for keyword in description.keywords:
        table.add_row(keyword, f"{description.thresholds[keyword]:.3f}", f"{detector.refractory_ms_for(keyword)} ms")
    console.print(table)


def _of_folder(folder: Path) -> tuple[CheckpointDescription, DetectorSettings, dict[str, str], str]:
    """A checkpoint's description, how it detects, what else is shown of it, and its digest."""
    from speechtune.models.checkpoints.files import read_summary
    from speechtune.models.checkpoints.hub import local_folder
    from speechtune.models.int8_agreement import FACT, recorded_agreement

    summary = read_summary(local_folder(folder))
    description = summary.description
    facts = {
        "encoder": f"{description.encoder['name']} ({description.encoder['family']})",
        "window": f"{ms_from_samples(description.window_samples):.0f} ms",
        "negatives": ", ".join(description.negatives) or "none",
        "weights": f"{summary.num_weight_bytes / 1e6:.1f} MB",
        "digest": summary.digest,
    }
    agreement = recorded_agreement(description.training)
    for name, value in description.training.items():
        facts[name.replace("_", " ")] = value if isinstance(value, str) else json.dumps(value)
    if agreement is not None:
        served = "served so by --backend auto" if agreement.is_enough else "served as fp32 by --backend auto"
        facts[FACT.replace("_", " ")] = f"{agreement}: {served} on a CPU with instructions for int8"
    return description, summary.recipe.detector, facts, summary.digest


def _of_exported(path: Path) -> tuple[OnnxDescription, DetectorSettings, dict[str, str], str]:
    """The same of an exported file, which tells nothing of its training."""
    from speechtune.models.scorers.onnx_scorer import read_onnx_description

    description = read_onnx_description(path)
    facts = {
        "encoder": description.encoder,
        "window": f"{ms_from_samples(description.window_samples):.0f} ms",
        "negatives": ", ".join(description.negatives) or "none",
        "precision": description.precision,
        "file": f"{path.stat().st_size / 1e6:.1f} MB",
        "digest": description.checkpoint_digest,
    }
    return description, description.detector, facts, description.checkpoint_digest
