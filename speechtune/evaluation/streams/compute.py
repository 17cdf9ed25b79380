"""All figures of recordings that were listened to, in the form of `stream_metrics.json`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from speechtune.audio.timebase import ms_from_samples
from speechtune.evaluation.certainty.intervals import Interval
from speechtune.evaluation.streams.matching import PlayedStream
from speechtune.evaluation.streams.metrics import EventCounts, LatencyMetrics, StreamMetrics, StreamPoint, WrongEvent
from speechtune.evaluation.streams.playback import Playback
from speechtune.evaluation.streams.scoring import DEFAULT_TOLERANCE_MS, KeywordEvents, StreamScores, score_streams

LOWEST_DET_THRESHOLD = 0.1
"""Below it most windows of talk would have to be scored, and models fire on talk without end."""
DET_THRESHOLDS = (
    LOWEST_DET_THRESHOLD,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.85,
    0.9,
    0.93,
    0.95,
    0.97,
    0.98,
    0.99,
    0.995,
)


def compute_stream_metrics(
    playback: Playback,
    *,
    compute_ms: Sequence[float] = (),
    tolerance_ms: int = DEFAULT_TOLERANCE_MS,
    encoder: str | None = None,
    checkpoint_digest: str | None = None,
) -> StreamMetrics:
    """Match, count, and decide again at every level of the DET.

    Args:
        playback: what was heard.
        compute_ms: times that a decision takes to compute, in ms, see `decision_compute_ms`; none: not measured.
        tolerance_ms: how far beyond a word the middle of a detection may lie.
        encoder, checkpoint_digest: what was playback, for the record.

    Raises:
        DataError: a word of the truth is not among the keywords.
    """
    keywords = playback.labels.keywords
    streams = playback.streams
    scores = score_streams(streams, keywords, tolerance_ms)
    num_without_truth = sum(not one.recording.has_truth for one in playback.heard)
    hours = playback.audio_seconds / 3600.0
    return StreamMetrics(
        num_recordings=len(streams),
        num_without_truth=num_without_truth,
        hours=hours,
        negative_hours=scores.negative_hours,
        tolerance_ms=tolerance_ms,
        thresholds=playback.thresholds,
        total=_counts(scores.total),
        per_keyword={keyword: _counts(found) for keyword, found in scores.per_keyword.items()},
        per_recording={
            stream.name: _counts(score_streams([stream], keywords, tolerance_ms).total)
            for stream in streams
            if stream.spoken
        },
        latency=_latency(streams, scores, compute_ms),
        det=[
            _point(playback, level, tolerance_ms)
            for level in DET_THRESHOLDS
            if playback.knows_steps and level >= playback.exact_from
        ],
        errors=list(_errors(streams, scores)),
        num_windows=playback.num_windows,
        seconds=playback.seconds,
        scoring_seconds=playback.scoring_seconds,
        real_time_factor=playback.seconds / playback.audio_seconds if playback.audio_seconds else None,
        encoder=encoder,
        checkpoint_digest=checkpoint_digest,
        findings=_findings(scores, num_without_truth, hours),
        not_measured=_not_measured(playback, scores, compute_ms),
    )


def _counts(found: KeywordEvents) -> EventCounts:
    return EventCounts(
        num_spoken=found.num_spoken,
        num_heard=found.num_heard,
        num_false_accepts=found.num_false_accepts,
        num_alone=found.num_alone,
        num_confused=found.num_confused,
        num_repeated=found.num_repeated,
        false_reject_rate=found.false_reject_rate,
        false_reject_interval=_ends(found.false_reject_interval),
        false_accepts_per_hour=found.false_accepts_per_hour,
        false_accepts_interval=_ends(found.false_accepts_interval),
        alone_per_hour=found.alone_per_hour,
        alone_interval=_ends(found.alone_interval),
    )


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else interval.ends


def _latency(
    streams: Sequence[PlayedStream], scores: StreamScores, compute_ms: Sequence[float]
) -> LatencyMetrics | None:
    if scores.latency is None:
        return None
    median, p95 = np.percentile(compute_ms, [50, 95]).tolist() if compute_ms else (None, None)
    return LatencyMetrics(
        num_words=scores.latency.num_words,
        audio_median_ms=scores.latency.median_ms,
        audio_p95_ms=scores.latency.p95_ms,
        audio_max_ms=scores.latency.max_ms,
        compute_median_ms=median,
        compute_p95_ms=p95,
        audio_ms=[
            ms_from_samples(stream.detections[event].decision_sample - stream.spoken[word].end_sample)
            for stream, outcome in zip(streams, scores.outcomes, strict=True)
            for word, event in outcome.heard
        ],
    )


def _point(playback: Playback, level: float, tolerance_ms: int) -> StreamPoint:
    keywords = playback.labels.keywords
    scores = score_streams(playback.streams_at(dict.fromkeys(keywords, level)), keywords, tolerance_ms)
    return StreamPoint(
        threshold=level,
        false_reject_rate=scores.total.false_reject_rate,
        alone_per_hour=scores.total.alone_per_hour,
        false_accepts_per_hour=scores.total.false_accepts_per_hour,
        per_keyword={
            keyword: (found.false_reject_rate, found.alone_per_hour) for keyword, found in scores.per_keyword.items()
        },
    )


def _errors(streams: Sequence[PlayedStream], scores: StreamScores) -> Iterator[WrongEvent]:
    for stream, outcome in zip(streams, scores.outcomes, strict=True):
        for index in outcome.missed:
            word = stream.spoken[index]
            yield WrongEvent(
                recording=stream.name,
                kind="missed",
                label=word.label,
                start_sample=word.start_sample,
                end_sample=word.end_sample,
                confidence=None,
            )
        for index, why in outcome.false_accepts.items():
            event = stream.detections[index]
            yield WrongEvent(
                recording=stream.name,
                kind=why,
                label=event.label,
                start_sample=event.start_sample,
                end_sample=event.end_sample,
                confidence=event.confidence,
            )


def _findings(scores: StreamScores, num_without_truth: int, hours: float) -> list[str]:
    findings = []
    if num_without_truth:
        findings.append(_without_truth(scores, num_without_truth))
    if scores.total.num_alone == 0 and scores.negative_hours > 0:
        findings.append(
            f"no false accept where no keyword was said in {scores.negative_hours:.2f} h: "
            f"the rate is below {3.0 / scores.negative_hours:.1f} per hour"
        )
    if 0 < hours < 1:
        findings.append(f"{60 * hours:.0f} minutes of audio: rates per hour are rough; listen to more")
    return findings


def _without_truth(scores: StreamScores, num_without_truth: int) -> str:
    """Says of recordings without label tracks what their events were taken for, and what that makes an hour."""
    if num_without_truth < len(scores.outcomes):
        return (
            f"{num_without_truth} of {len(scores.outcomes)} recordings have no label track (.txt): no keyword is taken "
            "to be said in them, and every event in them is counted as false"
        )
    total, interval = scores.total, scores.total.false_accepts_interval
    said = "no recording has a label track (.txt): no keyword is taken to be said, and every event is counted as false"
    if total.false_accepts_per_hour is None or interval is None:
        return said
    return (
        f"{said}: {total.num_false_accepts} in {scores.negative_hours:.2f} h, {total.false_accepts_per_hour:.2f} an "
        f"hour (95 %, Poisson: {interval.low:.2f} to {interval.high:.2f})"
    )


def _not_measured(playback: Playback, scores: StreamScores, compute_ms: Sequence[float]) -> dict[str, str]:
    reasons = {}
    if scores.total.num_spoken == 0:
        reasons["total.false_reject_rate"] = "no keyword is said, as far as the label tracks tell"
    if scores.latency is None:
        reasons["latency"] = "no word was heard"
    elif not compute_ms:
        reasons["latency.compute_median_ms"] = reasons["latency.compute_p95_ms"] = "no decision was timed alone"
    if not playback.knows_steps:
        reasons["det"] = "what was reported at one set of thresholds does not tell what others would report"
    if playback.scoring_seconds is None:
        reasons["scoring_seconds"] = "the model ran elsewhere"
    if scores.negative_hours <= 0:
        reasons["total.false_accepts_per_hour"] = "there is no audio without keywords"
    return reasons
