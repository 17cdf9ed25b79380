"""What a session reports, in the past tense. Every offset is an int sample index at 16 kHz from the stream's start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from speechtune.audio.timebase import seconds_from_samples


@dataclass(frozen=True)
class Score:
    """A label and its calibrated posterior, 0 to 1."""

    label: str
    confidence: float


@dataclass(frozen=True)
class SpeechStarted:
    """Speech began at `start_sample` (preroll included)."""

    start_sample: int


@dataclass(frozen=True)
class SpeechEnded:
    """Speech that began at `start_sample` ended before `end_sample`; known at `decision_sample`."""

    start_sample: int
    end_sample: int
    decision_sample: int


@dataclass(frozen=True)
class Interim:
    """Scores of one window while speech goes on; may be followed by nothing."""

    end_sample: int
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Detection:
    """A keyword was heard. Sent once, never taken back.

    Attributes:
        event_id: unique within the stream, the same however the audio was cut.
        start_sample, end_sample: where the keyword lies.
        decision_sample: the last sample that the decision needed.
        confidence: calibrated posterior of `label`; `runner_up_margin`: its lead over the next best label.
        alternatives: the next best labels, best first.
    """

    event_id: str
    label: str
    confidence: float
    threshold: float
    runner_up_margin: float
    start_sample: int
    end_sample: int
    decision_sample: int
    alternatives: tuple[Score, ...]

    @property
    def start_offset(self) -> float:
        """Where the keyword begins, in seconds from the stream's start."""
        return seconds_from_samples(self.start_sample)

    @property
    def end_offset(self) -> float:
        """Where the keyword ends, in seconds from the stream's start."""
        return seconds_from_samples(self.end_sample)


@dataclass(frozen=True)
class Rejected:
    """Speech was heard and no keyword reached its threshold.

    Attributes:
        label: the best label, which may be `_unknown_` or a keyword that stayed below `threshold`.
        threshold: the threshold that the best keyword missed.
    """

    label: str
    confidence: float
    threshold: float
    start_sample: int
    end_sample: int
    decision_sample: int


Event: TypeAlias = SpeechStarted | SpeechEnded | Interim | Detection | Rejected
