"""Events of streams against what was said in them: misses, false accepts an hour, latency.

A false accept is *alone* where no keyword was said: those make the rate per hour of negative audio, which is what a
user of other speech hears. Detections of a wrong keyword (*confused*) and second ones (*repeated*) come with the words,
not with the hours; they are counted beside it, and all of them together too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from speechtune.audio.timebase import SAMPLE_RATE_HZ, ms_from_samples, samples_from_ms
from speechtune.evaluation.certainty.intervals import Interval, binomial_interval, poisson_interval
from speechtune.evaluation.figures.confusion import ratio
from speechtune.evaluation.streams.matching import FalseAccept, PlayedStream, StreamOutcome, match_events

DEFAULT_TOLERANCE_MS = 500
"""Half of the usual window: a window that holds the word has its middle within this of it."""


@dataclass(frozen=True)
class KeywordEvents:
    """One keyword's words and false accepts, or those of all together.

    Attributes:
        num_spoken: how often it was said.
        num_heard: how often that was detected.
        num_false_accepts: detections that hear no word.
        num_confused: those of them on a stretch where another keyword was said.
        num_repeated: those of them on a word that was heard already.
        false_reject_rate: share of the words that were not heard; None if it was never said.
        false_reject_interval: its 95 % interval, words taken as independent.
        false_accepts_per_hour: all of them per hour of negative audio; None if there is none.
        false_accepts_interval: its 95 % interval; with none seen it is below 3 / hours.
        alone_per_hour, alone_interval: the same of those alone, where no keyword was said.
    """

    num_spoken: int
    num_heard: int
    num_false_accepts: int
    num_confused: int
    num_repeated: int
    false_reject_rate: float | None
    false_reject_interval: Interval | None
    false_accepts_per_hour: float | None
    false_accepts_interval: Interval | None
    alone_per_hour: float | None
    alone_interval: Interval | None

    @property
    def num_alone(self) -> int:
        """False accepts where no keyword was said."""
        return self.num_false_accepts - self.num_confused - self.num_repeated


@dataclass(frozen=True)
class Latency:
    """Audio between the end of a word and the last sample its decision needed, over all heard words, in ms.

    Negative where the decision fell before the word's end. The time to compute comes on top.
    """

    num_words: int
    median_ms: float
    p95_ms: float
    max_ms: float


@dataclass(frozen=True)
class StreamScores:
    """How a set of streams was heard.

    Attributes:
        total, per_keyword: counts and rates.
        negative_hours: audio in which no keyword was said.
        tolerance_ms: as used.
        latency: None if no word was heard.
        outcomes: one per stream, for those who want to listen.
    """

    total: KeywordEvents
    per_keyword: dict[str, KeywordEvents]
    negative_hours: float
    tolerance_ms: int
    latency: Latency | None
    outcomes: tuple[StreamOutcome, ...]


@dataclass(frozen=True)
class StreamDetPoint:
    """What one threshold for all keywords gives; None as in `KeywordEvents`."""

    threshold: float
    false_reject_rate: float | None
    false_accepts_per_hour: float | None


def score_streams(
    streams: Sequence[PlayedStream], keywords: Sequence[str], tolerance_ms: int = DEFAULT_TOLERANCE_MS
) -> StreamScores:
    """Match the detections of every stream with its words and count.

    Args:
        streams: all that was listened to.
        keywords: those that were listened for, in the order of the result.
        tolerance_ms: how far beyond a word the middle of a detection may lie.

    Raises:
        DataError: a word or a detection is not among the keywords.
    """
    tolerance = samples_from_ms(tolerance_ms)
    outcomes = tuple(match_events(stream, keywords, tolerance) for stream in streams)
    negative = sum(_negative_samples(stream) for stream in streams) / (3600 * SAMPLE_RATE_HZ)
    delays = [
        stream.detections[event].decision_sample - stream.spoken[word].end_sample
        for stream, outcome in zip(streams, outcomes, strict=True)
        for word, event in outcome.heard
    ]
    return StreamScores(
        total=_counted(streams, outcomes, frozenset(keywords), negative),
        per_keyword={keyword: _counted(streams, outcomes, frozenset([keyword]), negative) for keyword in keywords},
        negative_hours=negative,
        tolerance_ms=tolerance_ms,
        latency=_latency(delays),
        outcomes=outcomes,
    )


def stream_det(
    streams: Sequence[PlayedStream],
    keywords: Sequence[str],
    thresholds: Sequence[float],
    tolerance_ms: int = DEFAULT_TOLERANCE_MS,
) -> tuple[StreamDetPoint, ...]:
    """Misses and false accepts an hour when only detections with at least each threshold's confidence are kept.

    The streams must have been heard at a threshold no higher than the least one. A session that is set to a threshold
    may report a little more than is kept here, because an earlier, weaker detection no longer mutes a later one.
    """
    points = []
    for threshold in thresholds:
        kept = [
            replace(stream, detections=tuple(event for event in stream.detections if event.confidence >= threshold))
            for stream in streams
        ]
        total = score_streams(kept, keywords, tolerance_ms).total
        points.append(StreamDetPoint(threshold, total.false_reject_rate, total.false_accepts_per_hour))
    return tuple(points)


def _counted(
    streams: Sequence[PlayedStream], outcomes: Sequence[StreamOutcome], labels: frozenset[str], hours: float
) -> KeywordEvents:
    num_spoken = num_heard = 0
    wrong: list[FalseAccept] = []
    for stream, outcome in zip(streams, outcomes, strict=True):
        num_spoken += sum(word.label in labels for word in stream.spoken)
        num_heard += sum(stream.spoken[word].label in labels for word, _ in outcome.heard)
        wrong += [why for event, why in outcome.false_accepts.items() if stream.detections[event].label in labels]
    missed = ratio(num_spoken - num_heard, num_spoken)
    return KeywordEvents(
        num_spoken=num_spoken,
        num_heard=num_heard,
        num_false_accepts=len(wrong),
        num_confused=wrong.count("confused"),
        num_repeated=wrong.count("repeated"),
        false_reject_rate=missed,
        false_reject_interval=None if missed is None else binomial_interval(missed, num_spoken),
        false_accepts_per_hour=ratio(len(wrong), hours),
        false_accepts_interval=poisson_interval(len(wrong), hours) if hours > 0 else None,
        alone_per_hour=ratio(wrong.count("alone"), hours),
        alone_interval=poisson_interval(wrong.count("alone"), hours) if hours > 0 else None,
    )


def _negative_samples(stream: PlayedStream) -> int:
    """Samples in which nothing was said; overlapping words are counted once."""
    covered = reached = 0
    for word in sorted(stream.spoken, key=lambda word: word.start_sample):
        covered += max(0, word.end_sample - max(word.start_sample, reached))
        reached = max(reached, word.end_sample)
    return stream.num_samples - covered


def _latency(delays: Sequence[int]) -> Latency | None:
    if not delays:
        return None
    in_ms = np.array([ms_from_samples(delay) for delay in delays])
    median, p95 = np.percentile(in_ms, [50, 95])
    return Latency(len(delays), float(median), float(p95), float(in_ms.max()))
