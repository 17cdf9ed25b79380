"""`speechtune inspect DATA [--out DIR] [--fix]`: what is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.audio.timebase import seconds_from_samples
from speechtune.cli.options import DataArgument, SpeakerPatternOption
from speechtune.errors import ConfigError, EncoderUnavailableError, MissingExtraError
from speechtune.extras import need

if TYPE_CHECKING:
    from rich.console import Console

    from speechtune.data.inspection.inspected_clip import Embedder
    from speechtune.data.inspection.report import InspectionReport
    from speechtune.data.sets.clips import ClipSet
    from speechtune.training.stages import Progress

_MAX_ROWS = 40
_NO_ENCODER = "none"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(inspect)


def inspect(
    data: DataArgument,
    speaker_pattern: SpeakerPatternOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for inspection.json and a page with players.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write a trimmed and levelled copy of the usable clips to DIR/fixed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every measure of every clip as JSON.")] = False,
    encoder: Annotated[
        str, typer.Option(help="Encoder that hears which clips sound like another label; `none`: labels are trusted.")
    ] = "whisper-tiny.en",
) -> None:
    """Judge every clip of a data set: damage, level, length, copies, doubtful labels, leaks."""
    from rich.console import Console

    from speechtune.cli.terminal.interrupts import interruptible
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.data.inspection.inspect import inspect_clips
    from speechtune.data.sets.loading import load_clips

    if out is not None:
        need("inspect --out, which draws spectrograms,", "train")
    if fix and out is None:
        raise ConfigError("--fix: say where to with --out DIR; originals are never changed")
    if fix and out is not None and (out / "fixed").exists():
        raise ConfigError(f"--fix: {out / 'fixed'} exists; repaired clips go to a new folder, name another --out")
    with interruptible("nothing is written"):
        clip_set = load_clips(data, speaker_pattern)
        with progress_bars() as progress:
            embedder = _embedder(encoder, progress)
            num_clips = len(clip_set.clips)
            report = inspect_clips(
                clip_set, progress=lambda done: progress("inspect", done, num_clips), embedder=embedder
            )
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        _show(report, Console())
    if out is not None:
        _write(report, out)
    if fix and out is not None:
        _repair(report, clip_set, out / "fixed")


def _embedder(encoder: str, progress: Progress) -> Embedder | None:
    if encoder == _NO_ENCODER:
        return None
    progress("load encoder", 0, 1)
    try:
        need("hearing which clips sound like another label", "train")
        from speechtune.models.clip_embeddings import ClipEmbedder, ClipEncoder
        from speechtune.models.encoders.loading import load_encoder

        embedder = ClipEmbedder(ClipEncoder(load_encoder(encoder)))
    except (MissingExtraError, EncoderUnavailableError) as error:
        _tell(f"note: labels are not doubted ({error})")
        return None
    progress("load encoder", 1, 1)
    return embedder


def _write(report: InspectionReport, out: Path) -> None:
    from speechtune.cli.terminal.interrupts import interruptible
    from speechtune.data.inspection.page import render_page
    from speechtune.whole_files import write_together

    with interruptible(f"nothing is written to {out}"):
        texts = {
            "inspection.json": json.dumps(report.to_json(), indent=2) + "\n",
            "inspection.html": render_page(report),
        }
        try:
            write_together(out, texts)
        except OSError as error:
            raise ConfigError(
                f"--out {out}: cannot be written ({error.strerror or error}); name another one"
            ) from error
    _tell(f"page {out / 'inspection.html'}")


def _repair(report: InspectionReport, clip_set: ClipSet, folder: Path) -> None:
    from speechtune.cli.terminal.interrupts import interruptible
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.data.inspection.repair import repair_clips

    with interruptible(f"{folder} is not written"), progress_bars() as progress:
        repaired = repair_clips(report, clip_set, folder, lambda done, total: progress("repair", done, total))
    _tell(f"{len(repaired.clip_set.clips)} clips repaired in {folder}, {repaired.num_left_out} left out")


def _tell(text: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(text, markup=False, highlight=False)


def _show(report: InspectionReport, console: Console) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    labels = Table(Column("label", overflow="fold"), "clips", "speakers", box=None, pad_edge=False)
    for label, speakers in report.num_clips_per_label_and_speaker().items():
        known = sum(bool(speaker) for speaker in speakers)
        labels.add_row(Text(label), str(sum(speakers.values())), str(known) if known else "not known")
    console.print(labels)
    if report.accused:
        # What matters comes last in both: the name of the file, and that of the file that it is a copy of.
        columns = (Column("clip", overflow="fold"), Column("finding", overflow="fold"))
        findings = Table(*columns, box=None, pad_edge=False)
        for accused in report.accused_rarest_first[:_MAX_ROWS]:
            text = "; ".join(finding.detail for finding in accused.findings)
            findings.add_row(Text(report.name_of(accused)), Text(text))
        console.print(findings)
        if len(report.accused) > _MAX_ROWS:
            console.print(f"… and {len(report.accused) - _MAX_ROWS} more (--json shows all)")
    for note in report.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    for leak in report.leaks:
        sides = f"{len(leak.leak.train)} clips of train and {len(leak.leak.test)} of {leak.split}"
        console.print(Text(f"leak: {leak.leak.kind} {leak.leak.what} is in {sides}", style="red"))
    minutes = seconds_from_samples(report.num_samples) / 60
    console.print(f"{len(report.clips)} clips, {minutes:.1f} min, {len(report.accused)} with findings", highlight=False)
