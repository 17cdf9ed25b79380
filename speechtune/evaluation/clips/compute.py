"""All figures of one set of predictions, in the form of `metrics.json`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty.intervals import FEW_SPEAKERS, NUM_RESAMPLES, Groups, Interval, groups_of
from speechtune.evaluation.certainty.rows import RowIntervals
from speechtune.evaluation.clips.headlines import (
    CALIBRATION_ERROR,
    EQUAL_ERROR_RATE,
    FALSE_ACCEPT_RATES,
    detection_name,
    headlines,
    resample_headlines,
    unseen_headlines,
)
from speechtune.evaluation.clips.metrics import (
    DetMetrics,
    LabelMetrics,
    Metrics,
    OpenSetMetrics,
    ReliabilityMetrics,
    SliceMetrics,
    TakenWordMetrics,
)
from speechtune.evaluation.clips.robustness import DIMENSIONS, slices
from speechtune.evaluation.figures.calibration import reliability
from speechtune.evaluation.figures.confusion import LabelScores, collapsed_onto, confusion_matrix, label_scores
from speechtune.evaluation.figures.detection import det_curve, detection_at_far
from speechtune.evaluation.figures.open_set import taken_words

MAX_DET_POINTS = 200

Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True)
class Provenance:
    """Where predictions come from; None where it is not known, as for another system's file.

    Attributes:
        encoder: name of the pretrained encoder.
        checkpoint_digest: of the checkpoint.
        seconds: wall time of reading and scoring; `scoring_seconds`: of those, in the model.
    """

    encoder: str | None = None
    checkpoint_digest: str | None = None
    seconds: float | None = None
    scoring_seconds: float | None = None
    data_fingerprint: str | None = None


def compute_metrics(
    predictions: Predictions,
    provenance: Provenance | None = None,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Metrics:
    """Compute every figure and its interval.

    Args:
        predictions: answers on clips that the model was not trained on.
        provenance: where they come from.
        num_resamples, seed: of the bootstrap.
    """
    groups = groups_of(predictions.speakers)
    lines = {line.name: line for line in headlines(predictions, groups) + unseen_headlines(predictions, groups)}
    resampled = resample_headlines(tuple(lines.values()), groups, num_resamples, seed)
    intervals = {name: line.interval(resampled[name], groups) for name, line in lines.items()}
    rows = RowIntervals(predictions, groups, num_resamples, seed)
    of_name = {name: line.value for name, line in lines.items()}
    return Metrics(
        num_clips=len(predictions),
        accuracy=of_name["accuracy"],
        closed_set_accuracy=of_name["closed_set_accuracy"],
        macro_f1=of_name["macro_f1"],
        detection_rate_at_far={f"{target:g}": of_name[detection_name(target)] for target in FALSE_ACCEPT_RATES},
        detection_rate_at_far_unseen={
            f"{target:g}": of_name[detection_name(target, unseen=True)] for target in FALSE_ACCEPT_RATES
        },
        equal_error_rate=of_name[EQUAL_ERROR_RATE],
        expected_calibration_error=of_name[CALIBRATION_ERROR],
        intervals={name: _ends(found) for name, found in intervals.items()},
        intervals_resample=groups.unit,
        **_tables(predictions, rows),
        speakers=num_speakers(predictions),
        **asdict(provenance or Provenance()),
        findings=_findings(predictions, groups),
        not_measured=(
            {name: line.reason for name, line in lines.items() if line.reason is not None}
            | {f"intervals.{name}": line.no_interval for name, line in lines.items() if line.no_interval is not None}
            | _why_not(predictions, groups, provenance or Provenance())
        ),
    )


def num_speakers(predictions: Predictions) -> int | None:
    """How many speakers are known; None where none is."""
    return len({speaker for speaker in predictions.speakers if speaker is not None}) or None


def _tables(predictions: Predictions, intervals: RowIntervals) -> dict[str, Any]:
    names = predictions.labels.labels
    confusion = confusion_matrix(predictions.truth, predictions.predicted, len(names))
    confidence, correct = predictions.posteriors.max(axis=1), predictions.predicted == predictions.truth
    at_far = detection_at_far(predictions, FALSE_ACCEPT_RATES[0])
    open_set = None
    if at_far.threshold is not None:
        words = _forms(TakenWordMetrics, taken_words(predictions, at_far.threshold))
        open_set = OpenSetMetrics(false_accept_rate=at_far.target, threshold=at_far.threshold, words=words)
    found = {dimension: slices(predictions, dimension, at_far.threshold) for dimension in DIMENSIONS}
    points = det_curve(predictions, MAX_DET_POINTS)
    return {
        "per_label": dict(zip(names, _label_rows(label_scores(confusion), intervals), strict=True)),
        "confusion": {
            said: dict(zip(names, row, strict=True)) for said, row in zip(names, confusion.tolist(), strict=True)
        },
        "confusion_intervals": {
            said: {answered: _ends(interval) for answered, interval in row.items()}
            for said, row in intervals.confusion().items()
        },
        "reliability": [
            ReliabilityMetrics(**asdict(row), accuracy_interval=_ends(interval))
            for row, interval in zip(reliability(confidence, correct), intervals.reliability(), strict=True)
        ],
        "det": [
            DetMetrics(**asdict(point), false_accept_interval=_ends(accepted), miss_interval=_ends(missed))
            for point, (accepted, missed) in zip(points, intervals.det(points), strict=True)
        ],
        "open_set": open_set,
        "conditions": [],
        "slices": {dimension: _forms(SliceMetrics, parts) for dimension, parts in found.items() if parts},
    }


def _label_rows(scores: Iterable[LabelScores], intervals: RowIntervals) -> list[LabelMetrics]:
    return [
        LabelMetrics(
            **asdict(row), precision_interval=_ends(precision), recall_interval=_ends(recall), f1_interval=_ends(f1)
        )
        for row, (precision, recall, f1) in zip(scores, intervals.labels(), strict=True)
    ]


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else interval.ends


def _forms(form: type[Form], rows: Iterable[Any]) -> list[Form]:
    return [form.model_validate(asdict(row)) for row in rows]


def _findings(predictions: Predictions, groups: Groups) -> list[str]:
    names = predictions.labels.labels
    confusion = confusion_matrix(predictions.truth, predictions.predicted, len(names))
    findings = []
    if (label := collapsed_onto(confusion)) is not None:
        share = confusion[:, label].sum() / confusion.sum()
        findings.append(
            f"collapsed: {share:.0%} of all clips were called {names[label]!r}; the model tells nothing apart"
        )
    if groups.unit == "clips":
        findings.append("no speakers are known: intervals resample clips and are too narrow; name speakers in the data")
    elif (num := num_speakers(predictions)) is not None and num < FEW_SPEAKERS:
        findings.append(
            f"{num} speakers: the figures say little about other voices, and the intervals are a little too narrow"
        )
    said = set(predictions.truth.tolist())
    if missing := [keyword for index, keyword in enumerate(predictions.labels.keywords) if index not in said]:
        findings.append(f"keywords without a clip: {', '.join(missing)}")
    return findings


def _why_not(predictions: Predictions, groups: Groups, provenance: Provenance) -> dict[str, str]:
    reasons = {}
    if groups.num_groups < 2:
        reasons["intervals"] = "one speaker: how far others differ cannot be told; add speakers"
    if num_speakers(predictions) is None:
        reasons["speakers"] = "the data names no speakers"
    if (found := detection_at_far(predictions, FALSE_ACCEPT_RATES[0])).reason is not None:
        reasons["open_set"] = found.reason
    for name, value in asdict(provenance).items():
        if value is None:
            reasons[name] = "the predictions do not tell"
    return reasons
