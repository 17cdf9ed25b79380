"""`speechtune threshold CKPT STREAM --fa-per-hour 0.5 [--out CKPT2]`: thresholds for a rate of false accepts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import ModelArgument
from speechtune.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import JsonValue
    from rich.table import Table

    from speechtune.evaluation.streams.operating_point import StreamOperatingPoint


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(threshold)


def threshold(
    checkpoint: ModelArgument,
    stream: Annotated[
        Path, typer.Argument(metavar="STREAM", help="Long recordings, with label tracks (.txt) where keywords occur.")
    ],
    *,
    fa_per_hour: Annotated[
        float, typer.Option(metavar="RATE", help="False accepts to allow in an hour of sound without commands.")
    ] = 0.5,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE|DIR", help="The label tracks. Defaults to those beside the recordings.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="CKPT2", help="New checkpoint to write. Defaults to showing the thresholds only."),
    ] = None,
) -> None:
    """Choose one threshold per keyword on long audio, played to the streaming session, and write a new checkpoint.

    For an exported .onnx file the thresholds are shown. To keep them, give the checkpoint that it was exported from.
    """
    from rich.console import Console

    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.evaluation.streams.operating_point import check_rate, choose_stream_thresholds
    from speechtune.evaluation.streams.playback import play
    from speechtune.evaluation.streams.recordings import check_words, find_recordings
    from speechtune.models.opened import open_model
    from speechtune.streaming.voice.activity import SileroActivity

    if out is not None:
        _check_destination(checkpoint, out)
    check_rate(fa_per_hour)
    model = open_model(checkpoint)
    recordings = find_recordings(stream, truth)
    check_words(recordings, model.labels.keywords)
    with progress_bars() as progress:
        playback = play(model.scorer, SileroActivity(), recordings, model.settings, progress)
    point = choose_stream_thresholds(playback, fa_per_hour)
    console = Console()
    console.print(_table(model.thresholds, point))
    for note in point.notes:
        console.print(f"note: {note}", markup=False)
    if out is not None:
        digest = _save(checkpoint, point, fa_per_hour, out)
        console.print(f"checkpoint {out} ({digest[:12]})", highlight=False, markup=False, soft_wrap=True)


def _check_destination(checkpoint: Path, out: Path) -> None:
    """Refuse what cannot be written, before the recordings are listened to."""
    from speechtune.models.checkpoints.writing import check_destination
    from speechtune.models.opened import is_exported

    if is_exported(checkpoint):
        raise ConfigError(
            f"--out {out}: {checkpoint.name} is an exported model, which is not changed; give the checkpoint's folder "
            "that it was exported from, and export the new checkpoint; without --out the thresholds are shown"
        )
    check_destination(out)


def _save(checkpoint: Path, point: StreamOperatingPoint, fa_per_hour: float, out: Path) -> str:
    """Write the checkpoint with the new thresholds, and return its digest."""
    from dataclasses import replace

    from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
    from speechtune.models.checkpoints.hub import local_folder

    loaded = load_checkpoint(local_folder(checkpoint))
    training = {**loaded.training, "thresholds_chosen_on_streams": _facts(point, fa_per_hour)}
    return save_checkpoint(replace(loaded, thresholds=point.thresholds, training=training), out).digest


def _facts(point: StreamOperatingPoint, fa_per_hour: float) -> dict[str, JsonValue]:
    """What the new checkpoint says about its thresholds."""
    total = point.after.total
    return {
        "num_spoken": total.num_spoken,
        "num_heard": total.num_heard,
        "num_false_accepts": total.num_false_accepts,
        "asked_false_accepts_per_hour": fa_per_hour,
        "negative_hours": point.after.negative_hours,
        "num_alone": total.num_alone,
    }


def _table(old: dict[str, float], point: StreamOperatingPoint) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("", title="Thresholds, and what they do: misses, false accepts an hour", title_justify="left")
    for heading in ("old", "new", "said", "missed, old", "missed, new", "an hour, old", "an hour, new"):
        table.add_column(heading, justify="right")
    rows = [
        (keyword, f"{old[keyword]:.3f}", f"{level:.3f}", point.before.per_keyword[keyword], found)
        for keyword, level, found in (
            (keyword, point.thresholds[keyword], point.after.per_keyword[keyword]) for keyword in point.thresholds
        )
    ]
    for name, was, now, before, after in [*rows, ("all", "", "", point.before.total, point.after.total)]:
        table.add_row(
            Text(name),
            was,
            now,
            str(after.num_spoken),
            _share(before.false_reject_rate),
            _share(after.false_reject_rate),
            _rate(before.alone_per_hour),
            _rate(after.alone_per_hour),
        )
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
