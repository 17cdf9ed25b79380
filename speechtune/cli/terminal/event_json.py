"""Events as JSON for scripts: the names of the gRPC contract, offsets in seconds."""

from __future__ import annotations

from typing import Any

from speechtune.audio.timebase import seconds_from_samples
from speechtune.streaming.events import Detection, Score


def score_json(score: Score) -> dict[str, Any]:
    """A label and its confidence."""
    return {"label": score.label, "confidence": round(score.confidence, 6)}


def detection_json(detection: Detection, model_digest: str) -> dict[str, Any]:
    """A detection with the fields of `speechtune.v1.Detection`."""
    return {
        "event_id": detection.event_id,
        "label": detection.label,
        "confidence": round(detection.confidence, 6),
        "threshold": round(detection.threshold, 6),
        "runner_up_margin": round(detection.runner_up_margin, 6),
        "start_offset": seconds_from_samples(detection.start_sample),
        "end_offset": seconds_from_samples(detection.end_sample),
        "decision_offset": seconds_from_samples(detection.decision_sample),
        "alternatives": [score_json(score) for score in detection.alternatives],
        "model_digest": model_digest,
    }
