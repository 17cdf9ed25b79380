"""`metrics.json`: every figure of one evaluation, for machines.

A figure that cannot be measured is null, and `not_measured` says why under the figure's key, or under `intervals.` and
the key where only its interval cannot. Shares are 0 to 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from speechtune.evaluation.figures.files import read_figures, schema_of, write_figures

METRICS_NAME = "metrics.json"

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Ends = tuple[Share, Share] | None
"""A 95 % interval; null where there is no figure, or fewer than two speakers to resample."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class LabelMetrics(_Part):
    """One label among all; null where it was never answered (precision), never said (recall), or neither (F1)."""

    num_clips: Count
    precision: Share | None
    precision_interval: Ends
    recall: Share | None
    recall_interval: Ends
    f1: Share | None
    f1_interval: Ends


class ReliabilityMetrics(_Part):
    """Clips of one range of confidence, `low` excluded and `high` included; means are null in an empty one."""

    low: Share
    high: Share
    num_clips: Count
    mean_confidence: Share | None
    accuracy: Share | None
    accuracy_interval: Ends


class DetMetrics(_Part):
    """One threshold: the share of `_unknown_` clips let through, and of keyword clips missed or misnamed."""

    threshold: Annotated[float, Field(ge=0.0)]
    false_accept_rate: Share
    false_accept_interval: Ends
    miss_rate: Share
    miss_interval: Ends


class TakenWordMetrics(_Part):
    """A word that is not a keyword: how many of its clips are taken for keywords, and for which."""

    word: str
    num_clips: Count
    num_taken: Count
    taken_for: dict[str, Count]
    was_shown: bool | None
    """The model was trained on this word as a negative; null where that is not known."""


class OpenSetMetrics(_Part):
    """What gets through at one threshold for all keywords."""

    false_accept_rate: Share
    """The rate asked for, which set the threshold."""
    threshold: Annotated[float, Field(ge=0.0)]
    words: list[TakenWordMetrics]


class SliceMetrics(_Part):
    """The clips of one speaker, device, session or room; the rates are those at the open set's threshold.

    Intervals resample the slice's speakers; within one speaker clips are taken as independent, and nothing is said
    about other people.
    """

    value: str
    num_clips: Count
    accuracy: Share
    accuracy_interval: Ends
    closed_set_accuracy: Share | None
    closed_set_interval: Ends
    false_accept_rate: Share | None
    false_accept_interval: Ends
    detection_rate: Share | None
    detection_interval: Ends


class ConditionMetrics(_Part):
    """A part of the clips, noisier, farther, faster or softer; intervals resample what all others resample."""

    kind: Literal["clean", "noise", "room", "speed", "level"]
    value: float
    """SNR in dB, reverberation time in s, factor of speed, or change of level in dB."""
    name: str
    num_clips: Count
    closed_set_accuracy: Share | None
    closed_set_interval: Ends
    detection_rate: Share | None
    """Keyword clips detected under their own name at the model's thresholds."""
    detection_interval: Ends
    false_accept_rate: Share | None
    """`_unknown_` clips that pass a threshold."""
    false_accept_interval: Ends


class Metrics(_Part):
    """One evaluation on clips."""

    num_clips: Count
    accuracy: Share | None
    """Over all labels."""
    closed_set_accuracy: Share | None
    """Keyword clips alone, best keyword."""
    macro_f1: Share | None
    """Over the labels that were said."""
    detection_rate_at_far: dict[str, Share | None]
    """False-acceptance rate of `_unknown_` clips -> share of keyword clips detected at that threshold."""
    detection_rate_at_far_unseen: dict[str, Share | None]
    """The same, counting only words that the model was not shown as negatives."""
    equal_error_rate: Share | None
    expected_calibration_error: Share | None
    intervals: dict[str, Ends]
    """95 % intervals; a detection rate's key ends in its false-acceptance rate, `detection_rate_at_far@0.05`."""
    intervals_resample: Literal["speakers", "clips"]
    """`clips` where no speaker is known: then the intervals are too narrow."""
    per_label: dict[str, LabelMetrics]
    confusion: dict[str, dict[str, Count]]
    """What was said -> what was answered -> clips."""
    confusion_intervals: dict[str, dict[str, Ends]]
    """What was said -> what was answered -> interval of that answer's share, for every answer that occurs."""
    reliability: list[ReliabilityMetrics]
    det: list[DetMetrics]
    open_set: OpenSetMetrics | None
    slices: dict[Literal["speaker", "device", "session", "room"], list[SliceMetrics]]
    """By every dimension that the data knows, the least accurate first."""
    conditions: list[ConditionMetrics]
    """Empty where they were not asked for."""
    speakers: Count | None
    """How many speakers; null where none is known."""
    encoder: str | None
    checkpoint_digest: str | None
    data_fingerprint: str | None
    """The version of the test clips: of their contents and labels, as `speechtune inspect` gives it too."""
    seconds: Annotated[float, Field(ge=0.0)] | None
    """Reading and scoring the clips, wall time."""
    scoring_seconds: Annotated[float, Field(ge=0.0)] | None
    """Of those, in the model."""
    findings: list[str]
    """What a reader should know before believing the figures, one sentence each."""
    not_measured: dict[str, str]
    """Key of a null -> why."""


def write_metrics(metrics: Metrics, folder: Path) -> Path:
    """Write `metrics.json` into `folder`, whole or not at all, and return its path.

    Raises:
        ConfigError: the file cannot be written.
    """
    return write_figures(metrics, folder / METRICS_NAME)


def load_metrics(path: Path) -> Metrics:
    """Read a `metrics.json`.

    Raises:
        ManifestError: it cannot be read or does not have the form; the message names the file and the key.
    """
    return read_figures(Metrics, path)


def metrics_schema() -> dict[str, Any]:
    """The JSON schema of `metrics.json`, committed beside this file; see `data_scripts.generate_schemas`."""
    return schema_of(Metrics)
