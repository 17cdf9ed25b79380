"""The figures of an evaluation as a model card shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from speechtune.errors import ConfigError
from speechtune.evaluation.clips.headline_words import headline_lines
from speechtune.evaluation.clips.metrics import METRICS_NAME, Metrics, load_metrics
from speechtune.evaluation.streams.metrics import STREAM_METRICS_NAME, StreamMetrics, load_stream_metrics
from speechtune.models.checkpoints.model_card import CardFigure

_HUB_NAMES = {"closed_set_accuracy": "accuracy", "accuracy": "accuracy", "macro_f1": "f1"}


def card_figures(folder: Path, digest: str) -> tuple[CardFigure, ...]:
    """What the evaluation in `folder` found, each figure with its interval.

    Args:
        folder: what `speechtune evaluate` wrote.
        digest: of the checkpoint that the card is of.

    Raises:
        ConfigError: there is no evaluation, or it is of another checkpoint.
        ManifestError: a file of figures cannot be read.
    """
    figures: list[CardFigure] = []
    clips, streams = folder / METRICS_NAME, folder / STREAM_METRICS_NAME
    if clips.is_file():
        metrics = load_metrics(clips)
        _check(clips, metrics.checkpoint_digest, digest)
        figures += _of_clips(metrics)
    if streams.is_file():
        stream_metrics = load_stream_metrics(streams)
        _check(streams, stream_metrics.checkpoint_digest, digest)
        figures += _of_streams(stream_metrics)
    if not figures:
        raise ConfigError(
            f"--report {folder}: has neither {METRICS_NAME} nor {STREAM_METRICS_NAME} with a figure in it; name the "
            "folder that speechtune evaluate --out wrote"
        )
    return tuple(figures)


def _check(path: Path, measured: str | None, digest: str) -> None:
    if measured != digest:
        raise ConfigError(
            f"--report {path}: is of {'another system' if measured is None else f'checkpoint {measured[:12]}'}, not of "
            f"{digest[:12]}; evaluate the checkpoint that is pushed"
        )


def _of_clips(metrics: Metrics) -> Iterator[CardFigure]:
    people = "" if metrics.speakers is None else f" of {metrics.speakers} speakers"
    version = "" if metrics.data_fingerprint is None else f", version {metrics.data_fingerprint[:12]}"
    for line in headline_lines(metrics):
        if line.value is not None:
            interval = "" if line.interval is None else f" (95 %: {line.interval[0]:.3f} to {line.interval[1]:.3f})"
            name = _HUB_NAMES.get(line.key, line.key)
            data = f"{metrics.num_clips} test clips{people}{version}"
            yield CardFigure(name, line.words + interval, line.value, data, "clips")


def _of_streams(metrics: StreamMetrics) -> Iterator[CardFigure]:
    total = metrics.total
    if total.alone_per_hour is not None:
        ends = total.alone_interval
        interval = "" if ends is None else f" (95 %: {ends[0]:.2f} to {ends[1]:.2f})"
        data = f"{metrics.negative_hours:.2f} hours without a command"
        words = f"False accepts an hour{interval}"
        yield CardFigure("false_accepts_per_hour", words, total.alone_per_hour, data, "negatives")
    if total.false_reject_rate is not None:
        missed = total.false_reject_interval
        interval = "" if missed is None else f" (95 %: {missed[0]:.3f} to {missed[1]:.3f})"
        data = f"{total.num_spoken} commands in {metrics.hours:.2f} hours of recordings"
        yield CardFigure("false_reject_rate", f"Commands missed{interval}", total.false_reject_rate, data, "recordings")
