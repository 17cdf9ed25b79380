"""What in long recordings fired a model or nearly did: the sounds that it should be shown as negatives.

How near a stretch came is asked of the decision itself: the session's steps are decided again at thresholds that sink
together, a little at a time, and whatever is reported at a level and at none above it came within that level of
firing. So smoothing, the refractory time and the caution in long speech count as they do in serving.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speechtune.audio.timebase import samples_from_ms, seconds_from_samples
from speechtune.evaluation.streams.margin import DEFAULT_MARGIN, DEFAULT_MOST, check_margin
from speechtune.evaluation.streams.matching import SpokenWord
from speechtune.evaluation.streams.playback import Playback, PlayedRecording
from speechtune.evaluation.streams.recordings import Recording
from speechtune.streaming.decision import stricter
from speechtune.streaming.events import Detection, Score

_STEP = 0.125  # logits; nearness is told no finer than the confidence at the first window that came so near
_AROUND = samples_from_ms(200)
_LONGEST = samples_from_ms(4_000)
_FLOAT_EDGE = 1e-7


@dataclass(frozen=True)
class HardStretch:
    """A stretch of a recording that fired or nearly did.

    Attributes:
        recording: where it lies.
        start_sample, end_sample: the event as the session reports it, at 16 kHz.
        clip_start, clip_end: the same with a little around it, within the recording and at most four seconds long.
        label: the keyword it fired, or came nearest to.
        confidence: its calibrated posterior; alternatives: the next best labels, best first.
        threshold: that it had to reach there, with the caution that long speech asks for.
        fired: it reached it.
    """

    recording: Recording
    start_sample: int
    end_sample: int
    clip_start: int
    clip_end: int
    label: str
    confidence: float
    threshold: float
    fired: bool
    alternatives: tuple[Score, ...]

    @property
    def excess(self) -> float:
        """Logits of the confidence above the threshold; below 0 where it did not fire."""
        return _logit(self.confidence) - _logit(self.threshold)

    @property
    def middle(self) -> int:
        """The sample half-way through the event."""
        return (self.start_sample + self.end_sample) // 2

    def is_around(self, sample: int) -> bool:
        """Whether the event holds this sample."""
        return self.start_sample <= sample < self.end_sample

    @property
    def offset_seconds(self) -> float:
        """Where the clip begins in its recording."""
        return seconds_from_samples(self.clip_start)


@dataclass(frozen=True)
class Mining:
    """What was found.

    Attributes:
        stretches: the strongest, at most so many as were asked for, strongest first.
        num_on_words: stretches left out because a command is said there, as the label tracks tell.
        num_weaker: stretches left out because there are stronger ones.
        margin: logits below the threshold that counted as nearly.
    """

    stretches: tuple[HardStretch, ...]
    num_on_words: int
    num_weaker: int
    margin: float

    @property
    def num_fired(self) -> int:
        """How many of the stretches fired."""
        return sum(stretch.fired for stretch in self.stretches)

    def counts(self, *, fired: bool) -> dict[str, int]:
        """Keyword -> how many stretches fired it, or came near it without."""
        return dict(Counter(stretch.label for stretch in self.stretches if stretch.fired == fired))


def mine(playback: Playback, margin: float = DEFAULT_MARGIN, most: int = DEFAULT_MOST) -> Mining:
    """Find what fired or came within `margin` logits of its threshold, where no command is said.

    Args:
        playback: recordings heard with the model; all of their steps are known.
        margin: in logits; 0: only what fired.
        most: how many stretches to keep, 1 or more.

    Raises:
        ConfigError: as `check_margin`.
        DataError: the steps of the sessions are not known.
    """
    check_margin(margin)
    found: list[HardStretch] = []
    num_on_words = 0
    for heard, nearest_first in zip(playback.heard, _by_nearness(playback, margin), strict=True):
        for stretch in _apart(nearest_first):
            if _holds_word(stretch, heard.spoken):
                num_on_words += 1
            else:
                found.append(stretch)
    strongest = sorted(found, key=_strongest_first)[:most]
    return Mining(tuple(strongest), num_on_words, max(len(found) - most, 0), margin)


def _strongest_first(stretch: HardStretch) -> tuple[bool, float, str, int]:
    # A stretch may pass its threshold and not fire: within the refractory time of what fired before.
    return not stretch.fired, -stretch.excess, stretch.recording.name, stretch.clip_start


def _by_nearness(playback: Playback, margin: float) -> list[list[HardStretch]]:
    """Of each recording all events at thresholds that sink to `margin` below their own; one may come more than once."""
    found: list[list[HardStretch]] = [[] for _ in playback.heard]
    for shift in [*np.arange(0.0, margin, _STEP).tolist(), margin]:
        sunk = {label: stricter(level, -shift) for label, level in playback.session_thresholds.items()}
        for heard, stream, stretches in zip(playback.heard, playback.streams_at(sunk), found, strict=True):
            stretches += [_stretch(heard, event, shift) for event in stream.detections if isinstance(event, Detection)]
    return found


def _stretch(heard: PlayedRecording, event: Detection, shift: float) -> HardStretch:
    end = min(event.end_sample + _AROUND, heard.num_samples)
    return HardStretch(
        recording=heard.recording,
        start_sample=event.start_sample,
        end_sample=event.end_sample,
        # Of long speech the end is kept, where the decision fell.
        clip_start=max(event.start_sample - _AROUND, end - _LONGEST, 0),
        clip_end=end,
        label=event.label,
        confidence=event.confidence,
        threshold=stricter(event.threshold, shift),
        fired=shift == 0.0,
        alternatives=event.alternatives,
    )


def _apart(stretches: Sequence[HardStretch]) -> list[HardStretch]:
    """The strongest of those that lie on each other, so that no sound comes twice, in the order of time."""
    taken: list[HardStretch] = []
    for stretch in sorted(stretches, key=_strongest_first):
        place = bisect.bisect_left(taken, stretch.middle, key=lambda one: one.middle)
        # No two of those taken lie on each other: only the neighbours can lie on this one.
        if not any(
            one.is_around(stretch.middle) or stretch.is_around(one.middle)
            for one in taken[max(place - 1, 0) : place + 1]
        ):
            taken.insert(place, stretch)
    return taken


def _holds_word(stretch: HardStretch, spoken: Sequence[SpokenWord]) -> bool:
    # Whichever word it is: a clip of any command teaches the wrong thing as a negative.
    return any(word.start_sample < stretch.clip_end and stretch.clip_start < word.end_sample for word in spoken)


def _logit(probability: float) -> float:
    inside = min(max(probability, _FLOAT_EDGE), 1.0 - _FLOAT_EDGE)
    return math.log(inside / (1.0 - inside))
