"""An evaluation as a folder of files and as text in a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType

from speechtune.evaluation.answers.atomic_text import write_texts
from speechtune.evaluation.answers.files import PREDICTIONS_NAME, predictions_text
from speechtune.evaluation.clips.metrics import METRICS_NAME
from speechtune.evaluation.evaluate import ClipPart, Evaluation, StreamPart
from speechtune.evaluation.figures.files import figures_text
from speechtune.evaluation.reports.page import REPORT_NAME, html_report
from speechtune.evaluation.reports.streams import render_stream_report
from speechtune.evaluation.reports.terminal import render_report
from speechtune.evaluation.streams.metrics import STREAM_METRICS_NAME


def render_part(part: ClipPart | StreamPart) -> RenderableType:
    """A renderable for rich: the figures of one part of an evaluation."""
    return render_report(part.metrics) if isinstance(part, ClipPart) else render_stream_report(part.metrics)


def write_evaluation(evaluation: Evaluation, folder: Path) -> tuple[str, ...]:
    """Write the figures, the answers to every clip and `report.html` into `folder`: all of them or none.

    Returns:
        Names of files of figures in the folder that an earlier evaluation left there, and this one did not write.

    Raises:
        ConfigError: the files cannot be written.
        UnreadableAudioError: a clip that was scored can no longer be read.
    """
    texts: dict[str, str] = {}
    if evaluation.clips is not None:
        texts[PREDICTIONS_NAME] = predictions_text(evaluation.clips.predictions)
        texts[METRICS_NAME] = figures_text(evaluation.clips.metrics)
    if evaluation.streams is not None:
        texts[STREAM_METRICS_NAME] = figures_text(evaluation.streams.metrics)
    texts[REPORT_NAME] = html_report(evaluation)
    write_texts(folder, texts)
    figures = (METRICS_NAME, PREDICTIONS_NAME, STREAM_METRICS_NAME)
    return tuple(name for name in figures if name not in texts and (folder / name).exists())
