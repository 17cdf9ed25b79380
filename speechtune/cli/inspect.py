"""`speechtune inspect DATA`: what is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from speechtune.audio.timebase import seconds_from_samples
from speechtune.cli.options import DataArgument, SpeakerPatternOption

if TYPE_CHECKING:
    from speechtune.data.inspection import InspectionReport

_MAX_ROWS = 40


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(inspect)


def inspect(
    data: DataArgument,
    speaker_pattern: SpeakerPatternOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every measure of every clip, for machines.")] = False,
) -> None:
    """Judge every clip of a data set: damage, level, length, duplicates, leaks."""
    from speechtune.cli.progress import progress_bars
    from speechtune.data.inspection import inspect_clips
    from speechtune.data.loading import load_clips

    clip_set = load_clips(data, speaker_pattern)
    with progress_bars() as progress:
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            progress("inspect", done, len(clip_set.clips))

        report = inspect_clips(clip_set, progress=advance)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
        return
    _show(report, Console())


def _show(report: InspectionReport, console: Console) -> None:
    labels = Table("label", "clips", "speakers", box=None, pad_edge=False)
    for label, speakers in report.num_clips_per_label_and_speaker().items():
        known = sum(bool(speaker) for speaker in speakers)
        labels.add_row(Text(label), str(sum(speakers.values())), str(known) if known else "not known")
    console.print(labels)
    if report.accused:
        findings = Table("clip", "finding", box=None, pad_edge=False)
        for accused in report.accused[:_MAX_ROWS]:
            text = "; ".join(finding.detail for finding in accused.findings)
            findings.add_row(Text(f"{accused.clip.label}/{accused.clip.path.name}"), Text(text))
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
