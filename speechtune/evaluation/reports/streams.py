"""The figures of long recordings as a person reads them in a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from speechtune.evaluation.streams.metrics import EventCounts, StreamMetrics


def render_stream_report(metrics: StreamMetrics) -> Group:
    """A renderable for rich: misses and false accepts by keyword and recording, latency, speed, and the DET."""
    parts: list[Table | Text] = [_count_table(metrics), Text(_latency_text(metrics)), Text(_speed_text(metrics))]
    if metrics.det:
        parts.append(_det_table(metrics))
    parts += [Text(f"Note: {finding}.") for finding in metrics.findings]
    parts += [Text(f"Not measured: {key}: {reason}.") for key, reason in metrics.not_measured.items()]
    return Group(*parts)


def _count_table(metrics: StreamMetrics) -> Table:
    title = (
        f"{metrics.hours:.2f} h in {metrics.num_recordings} recordings, {metrics.total.num_spoken} keywords said. "
        "False: where none was said"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold", min_width=10)
    for heading in ("threshold", "said", "missed", "false", "an hour", "95 %", "confused", "twice"):
        table.add_column(heading, justify="right", no_wrap=True)
    for keyword, found in metrics.per_keyword.items():
        table.add_row(Text(keyword), f"{metrics.thresholds[keyword]:.3f}", *_cells(found))
    table.add_section()
    for name, found in metrics.per_recording.items():
        table.add_row(Text(name), "", *_cells(found))
    table.add_section()
    table.add_row("all", "", *_cells(metrics.total))
    return table


def _cells(found: EventCounts) -> tuple[str, ...]:
    interval = found.alone_interval
    return (
        str(found.num_spoken),
        _share(found.false_reject_rate),
        str(found.num_alone),
        _rate(found.alone_per_hour),
        "" if interval is None else f"{_short(interval[0])}–{_short(interval[1])}",
        str(found.num_confused),
        str(found.num_repeated),
    )


def _latency_text(metrics: StreamMetrics) -> str:
    latency = metrics.latency
    if latency is None:
        return "Latency: not measured."
    compute = ""
    if latency.compute_median_ms is not None:
        compute = f"; on top {latency.compute_median_ms:.0f} ms ({latency.compute_p95_ms:.0f} ms) to compute"
    return (
        f"From a word's end to its event: {latency.audio_median_ms:.0f} ms of audio in the median, "
        f"{latency.audio_p95_ms:.0f} ms at the 95th percentile{compute}."
    )


def _speed_text(metrics: StreamMetrics) -> str:
    if not metrics.real_time_factor:
        return "Speed: not measured."
    share = ""
    if metrics.scoring_seconds is not None and metrics.seconds:
        share = f"{metrics.scoring_seconds / metrics.seconds:.0%} of it in the encoder, "
    return (
        f"Heard in {metrics.seconds:.0f} s, {1.0 / metrics.real_time_factor:.0f} times as fast as real time; "
        f"{share}{metrics.num_windows} windows."
    )


def _det_table(metrics: StreamMetrics) -> Table:
    table = Table("all thresholds at", title="Misses against false accepts", title_justify="left")
    for heading in ("missed", "false accepts an hour"):
        table.add_column(heading, justify="right")
    for point in metrics.det:
        table.add_row(f"{point.threshold:g}", _share(point.false_reject_rate), _rate(point.alone_per_hour))
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
