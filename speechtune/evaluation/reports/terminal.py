"""The figures as a person reads them in a terminal."""

from __future__ import annotations

import io

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from speechtune.evaluation.clips.headline_words import headline_lines
from speechtune.evaluation.clips.metrics import Metrics

_MAX_WORDS = 8
_MAX_SLICES = 5


def render_report(metrics: Metrics) -> Group:
    """A renderable for rich: the headlines with their intervals, every label, and where it goes wrong."""
    parts: list[Table | Text] = [_headline_table(metrics), _label_table(metrics)]
    if metrics.conditions:
        parts.append(_condition_table(metrics))
    if (words := _word_table(metrics)) is not None:
        parts.append(words)
    if (speakers := _speaker_table(metrics)) is not None:
        parts.append(speakers)
    parts += [Text(f"Note: {finding}.") for finding in metrics.findings]
    return Group(*parts)


def report_text(metrics: Metrics, width: int = 100) -> str:
    """The same as plain text, without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render_report(metrics))
    return capture.get()


def _headline_table(metrics: Metrics) -> Table:
    title = f"{metrics.num_clips} clips" + ("" if metrics.speakers is None else f", {metrics.speakers} speakers")
    table = Table("", "", f"95 % ({metrics.intervals_resample})", title=title, title_justify="left")
    for line in headline_lines(metrics):
        reach = line.reason
        if line.interval is not None and not reach:
            reach = f"{line.interval[0]:.1%} – {line.interval[1]:.1%}"
        table.add_row(line.words, _share(line.value), reach)
    return table


def _label_table(metrics: Metrics) -> Table:
    table = Table("Label", title="Labels", title_justify="left")
    for heading in ("clips", "precision", "recall", "F1", "95 %"):
        table.add_column(heading, justify="right", no_wrap=heading == "95 %")
    table.add_column("taken for")
    for label, scores in metrics.per_label.items():
        reach = "" if scores.f1_interval is None else "{:.1%}–{:.1%}".format(*scores.f1_interval)
        numbers = (_share(scores.precision), _share(scores.recall), _share(scores.f1), reach)
        table.add_row(Text(label), str(scores.num_clips), *numbers, Text(_taken_for(metrics.confusion[label], label)))
    return table


def _condition_table(metrics: Metrics) -> Table:
    table = Table("Condition", title="A part of the clips under other conditions", title_justify="left")
    for heading in ("named rightly", "95 %", "detected", "others let through"):
        table.add_column(heading, justify="right")
    for one in metrics.conditions:
        reach = "" if one.closed_set_interval is None else "{:.1%}–{:.1%}".format(*one.closed_set_interval)
        rates = (_share(one.closed_set_accuracy), reach, _share(one.detection_rate), _share(one.false_accept_rate))
        table.add_row(Text(one.name), *rates)
    return table


def _word_table(metrics: Metrics) -> Table | None:
    taken = [] if metrics.open_set is None else [word for word in metrics.open_set.words if word.num_taken]
    if not taken or metrics.open_set is None:
        return None
    title = f"Other words taken for keywords at {metrics.open_set.false_accept_rate:.0%} false acceptance"
    table = Table("Word", "taken", "for", title=title, title_justify="left")
    for word in taken[:_MAX_WORDS]:
        name = word.word if word.was_shown is not False or word.word.startswith("_") else f"{word.word} (unseen)"
        table.add_row(Text(name), f"{word.num_taken} of {word.num_clips}", Text(_taken_for(word.taken_for)))
    return table


def _speaker_table(metrics: Metrics) -> Table | None:
    slices = metrics.slices.get("speaker", [])
    if len(slices) < 2:
        return None
    table = Table("Speaker", title="Speakers with the lowest accuracy", title_justify="left")
    for heading in ("clips", "accuracy", "keywords alone"):
        table.add_column(heading, justify="right")
    for part in slices[:_MAX_SLICES]:
        table.add_row(Text(part.value), str(part.num_clips), _share(part.accuracy), _share(part.closed_set_accuracy))
    return table


def _taken_for(counts: dict[str, int], but: str | None = None) -> str:
    wrong = sorted(((count, label) for label, count in counts.items() if count and label != but), reverse=True)
    return ", ".join(f"{label} {count}" for count, label in wrong[:3])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
