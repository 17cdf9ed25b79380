"""`speechtune split DATA --out manifest.jsonl`: train, valid and test without a person on two sides."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import DataArgument, SpeakerPatternOption
from speechtune.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(split)


def split(
    data: DataArgument,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The manifest to write, .jsonl or .csv.")],
    valid: Annotated[float, typer.Option(help="Share of the speakers for validation.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the speakers for the test.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of the draw of speakers.")] = 0,
    lock: Annotated[
        bool,
        typer.Option(
            "--lock",
            help="Never train on the test clips again, wherever their files lie; the list is $SPEECHTUNE_LOCKS, else "
            "~/.local/share/speechtune/locked_clips.txt.",
        ),
    ] = False,
    speaker_pattern: SpeakerPatternOption = None,
) -> None:
    """Declare train, valid and test in a manifest; adding clips later moves nobody."""
    from rich.console import Console

    from speechtune.data.choice.splits import SplitFractions, split_clips
    from speechtune.data.sets.loading import load_clips
    from speechtune.data.sets.locks import lock_clips, lock_file
    from speechtune.data.sets.manifest import write_manifest

    console = Console()
    _check_place(out)
    clip_set = load_clips(data, speaker_pattern)
    train = round(1.0 - valid - test, 9)  # what binary fractions leave over is no share
    splits = split_clips(clip_set.clips, SplitFractions(train, valid, test), seed)
    for warning in splits.warnings:
        console.print(f"WARNING: {warning}", style="bold red", markup=False, highlight=False)
    # Locked first: whoever reads the manifest must find its test clips locked, also if this process is killed between.
    num_new = lock_clips(splits.test) if lock else 0
    write_manifest(out, replace(clip_set, clips=splits.with_declared_splits()))
    sizes = Counter(clip.split for clip in splits.with_declared_splits())
    told = ", ".join(f"{sizes[name]} {name}" for name in ("train", "valid", "test"))
    console.print(f"{os.fspath(out)}: {told}, by {splits.by}; {splits.claim}", markup=False, highlight=False)
    if lock:
        console.print(f"{num_new} test clips locked in {lock_file()}", markup=False, highlight=False)


def _check_place(out: Path) -> None:
    """Refuse a place that no manifest can be written to before any clip is locked for it."""
    from speechtune.data.sets.manifest import check_manifest_name
    from speechtune.whole_files import why_not_writable

    check_manifest_name(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: its folder cannot be made ({error.strerror}); name another place") from error
    if reason := f"{out} is a folder" if out.is_dir() else why_not_writable(out.parent):
        raise ConfigError(f"--out {out}: cannot be written there ({reason}); name another place")
