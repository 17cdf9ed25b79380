"""A comparison as a person reads it in a terminal, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from speechtune.evaluation.answers.atomic_text import write_text
from speechtune.evaluation.clips.comparison import ChangedClip, Comparison, HeadlineDifference

_MAX_CLIPS = 10


def render_comparison(comparison: Comparison) -> Group:
    """A renderable for rich: the verdict, every headline of both, and clips that changed."""
    title = f"{comparison.num_clips} clips; intervals resample {comparison.resampled}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in ("A", "B", "B - A", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for line in comparison.headlines:
        table.add_row(*_cells(line))
    parts: list[Table | Text] = [Text(comparison.verdict), table]
    for name, clips in (("only B gets right", comparison.won), ("only A gets right", comparison.lost)):
        if clips:
            parts.append(_changed_table(name, clips))
    return Group(*parts)


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write everything as JSON, whole or not at all, and return the path.

    Raises:
        ConfigError: the file cannot be written.
    """
    write_text(path, json.dumps(asdict(comparison), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def _cells(line: HeadlineDifference) -> tuple[Text | str, ...]:
    reach = "" if line.interval is None else f"{line.interval.low:+.1%} … {line.interval.high:+.1%}"
    difference = "–" if line.difference is None else f"{line.difference:+.1%}"
    return Text(line.name), _share(line.a), _share(line.b), difference, reach, Text(line.verdict)


def _changed_table(name: str, clips: tuple[ChangedClip, ...]) -> Table:
    shown = clips[:_MAX_CLIPS]
    title = f"{len(clips)} clips that {name}" + ("" if len(shown) == len(clips) else f", the first {len(shown)}")
    table = Table("clip", "said", "A", "B", title=title, title_justify="left")
    for clip in shown:
        table.add_row(Text(clip.clip_id), Text(clip.word), Text(clip.answer_a), Text(clip.answer_b))
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
