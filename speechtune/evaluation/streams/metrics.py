"""`stream_metrics.json`: every figure of one evaluation on long recordings, for machines.

A figure that cannot be measured is null, and `not_measured` says why under the figure's key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from speechtune.evaluation.figures.files import read_figures, schema_of, write_figures

STREAM_METRICS_NAME = "stream_metrics.json"

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EventCounts(_Part):
    """One keyword, one recording, or all together; rates are per hour of negative audio, intervals are of 95 %.

    The label tracks do not tell who speaks: words are taken as independent, so that the interval of misses is too
    narrow where few people say them.
    """

    num_spoken: Count
    num_heard: Count
    num_false_accepts: Count
    num_alone: Count
    """False accepts where no keyword was said."""
    num_confused: Count
    """False accepts on another keyword."""
    num_repeated: Count
    """False accepts on a word that was heard already."""
    false_reject_rate: Share | None
    false_reject_interval: tuple[Share, Share] | None
    false_accepts_per_hour: Rate | None
    false_accepts_interval: tuple[float, float] | None
    alone_per_hour: Rate | None
    alone_interval: tuple[float, float] | None


class LatencyMetrics(_Part):
    """From the end of a word to its event, in ms: the audio that the decision waited for, and the time to compute it.

    `compute` is of one frame of voice activity and one window, alone, on the machine that evaluated; null where it was
    not measured.
    """

    num_words: Count
    audio_median_ms: float
    audio_p95_ms: float
    audio_max_ms: float
    compute_median_ms: Rate | None
    compute_p95_ms: Rate | None
    audio_ms: list[float]
    """Of every heard word, in the order of the recordings."""


class StreamPoint(_Part):
    """All thresholds at one level: exactly what sessions set to it report."""

    threshold: Share
    false_reject_rate: Share | None
    alone_per_hour: Rate | None
    false_accepts_per_hour: Rate | None
    per_keyword: dict[str, tuple[float | None, float | None]]
    """Keyword -> its false-reject rate and its false accepts alone per hour."""


class WrongEvent(_Part):
    """A word that no detection hears, or a detection that hears no word."""

    recording: str
    kind: Literal["missed", "confused", "repeated", "alone"]
    label: str
    start_sample: Count
    end_sample: Count
    confidence: Share | None
    """Of the detection; null for a missed word."""


class StreamMetrics(_Part):
    """One evaluation on long recordings."""

    num_recordings: Count
    num_without_truth: Count
    """Recordings without a label track: taken to hold no keyword."""
    hours: Rate
    negative_hours: Rate
    tolerance_ms: Count
    """How far beyond a word the middle of a detection may lie."""
    thresholds: dict[str, Share]
    total: EventCounts
    per_keyword: dict[str, EventCounts]
    per_recording: dict[str, EventCounts]
    """Those in which a keyword was said."""
    latency: LatencyMetrics | None
    det: list[StreamPoint]
    """Empty where only what was reported at the thresholds is known."""
    errors: list[WrongEvent]
    num_windows: Count
    seconds: Rate
    """Wall time of listening."""
    scoring_seconds: Rate | None
    """Of those, in the model; null where it is not known."""
    real_time_factor: Rate | None
    """Wall time for a second of audio."""
    encoder: str | None
    checkpoint_digest: str | None
    findings: list[str]
    not_measured: dict[str, str]


def write_stream_metrics(metrics: StreamMetrics, folder: Path) -> Path:
    """Write `stream_metrics.json` into `folder`, whole or not at all, and return its path.

    Raises:
        ConfigError: the file cannot be written.
    """
    return write_figures(metrics, folder / STREAM_METRICS_NAME)


def load_stream_metrics(path: Path) -> StreamMetrics:
    """Read a `stream_metrics.json`.

    Raises:
        ManifestError: it cannot be read or does not have the form; the message names the file and the key.
    """
    return read_figures(StreamMetrics, path)


def stream_metrics_schema() -> dict[str, Any]:
    """The JSON schema of `stream_metrics.json`, committed beside this file; see `data_scripts.generate_schemas`."""
    return schema_of(StreamMetrics)
