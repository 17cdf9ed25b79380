"""The headlines of an evaluation on clips as every view of it shows them: their words and their order."""

from __future__ import annotations

from dataclasses import dataclass

from speechtune.evaluation.clips.headlines import CALIBRATION_ERROR, EQUAL_ERROR_RATE
from speechtune.evaluation.clips.metrics import Metrics


@dataclass(frozen=True)
class HeadlineLine:
    """One headline.

    Attributes:
        key: of the figure in `metrics.json`; the rate follows an `@`, as in `detection_rate_at_far@0.05`.
        words: what a person reads.
        value: the share, 0 to 1; None: not measured.
        interval: both ends of its 95 % interval, 0 to 1; None: there is none.
        reason: why there is no value, or no interval; "": nothing to say.
    """

    key: str
    words: str
    value: float | None
    interval: tuple[float, float] | None
    reason: str


def headline_lines(metrics: Metrics) -> tuple[HeadlineLine, ...]:
    """Every headline of an evaluation, in the order in which all views show them."""
    rows: list[tuple[str, str, float | None]] = [
        ("accuracy", "Accuracy, all labels", metrics.accuracy),
        ("closed_set_accuracy", "Accuracy, keywords alone", metrics.closed_set_accuracy),
        ("macro_f1", "Macro F1", metrics.macro_f1),
    ]
    for target, rate in metrics.detection_rate_at_far.items():
        rows.append((f"detection_rate_at_far@{target}", f"Detected at {float(target):.0%} false acceptance", rate))
    for target, rate in metrics.detection_rate_at_far_unseen.items():
        rows.append((f"detection_rate_at_far_unseen@{target}", f"… of {float(target):.0%} of unseen words", rate))
    rows += [
        (EQUAL_ERROR_RATE, "Equal error rate", metrics.equal_error_rate),
        (CALIBRATION_ERROR, "Calibration error", metrics.expected_calibration_error),
    ]
    return tuple(_line(metrics, key, words, value) for key, words, value in rows)


def _line(metrics: Metrics, key: str, words: str, value: float | None) -> HeadlineLine:
    interval, why_none = metrics.intervals.get(key), metrics.not_measured.get(f"intervals.{key}")
    reason = ""
    if value is None:
        reason = f"not measured: {metrics.not_measured.get(key, 'no reason given')}"
    elif interval is None and why_none:
        reason = f"no interval: {why_none}"
    return HeadlineLine(key, words, value, interval, reason)
