"""When speech begins and ends, from one probability per frame: four named states, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from speechtune.audio.timebase import samples_from_ms
from speechtune.recipe import EndpointingSettings
from speechtune.streaming.voice.activity import FRAME_SAMPLES


class SpeechState(Enum):
    """Where in a stretch of speech the stream is."""

    QUIET = "quiet"
    STARTING = "starting"
    """Voice was heard, not yet long enough to be speech."""
    SPEAKING = "speaking"
    STOPPING = "stopping"
    """Quiet was heard, not yet long enough to be the end."""


@dataclass(frozen=True)
class Started:
    """Speech began; `start_sample` includes the preroll."""

    start_sample: int


@dataclass(frozen=True)
class Ended:
    """Speech ended: its last loud frame ends before `end_sample`; `forced` when it was cut at the longest length.

    `start_sample` includes the preroll, `onset_sample` is the first voiced frame's.
    """

    start_sample: int
    onset_sample: int
    end_sample: int
    forced: bool


class Endpointer:
    """Feed it one probability per frame, in order; the first frame begins at the stream position `start`.

    No speech begins before `earliest_start`, by which what comes before it is known (None: `start`).
    """

    def __init__(self, settings: EndpointingSettings, start: int = 0, earliest_start: int | None = None) -> None:
        self._settings = settings
        self._min_speech = samples_from_ms(settings.min_speech_ms)
        self._hangover = samples_from_ms(settings.hangover_ms)
        self._preroll = samples_from_ms(settings.preroll_ms)
        self._max_speech = samples_from_ms(settings.max_speech_ms)
        self._state = SpeechState.QUIET
        self._position = start
        self._onset = 0
        self._start = 0
        self._end = 0
        self._earliest_start = start if earliest_start is None else earliest_start

    @property
    def earliest_start(self) -> int:
        """Where the next stretch of speech may begin at the earliest, preroll included."""
        return self._earliest_start

    @property
    def state(self) -> SpeechState:
        """Where in a stretch of speech the stream is."""
        return self._state

    @property
    def is_speech(self) -> bool:
        """Whether a stretch of speech has begun and not ended."""
        return self._state in (SpeechState.SPEAKING, SpeechState.STOPPING)

    @property
    def start_sample(self) -> int:
        """Where the stretch that is going on began, preroll included; meaningless in quiet."""
        return self._start

    def step(self, probability: float) -> Started | Ended | None:
        """Take the next frame's probability of speech, 0 to 1; tell what it changed."""
        frame_start, self._position = self._position, self._position + FRAME_SAMPLES
        voiced = probability >= self._settings.onset_probability
        if self._state is SpeechState.QUIET and voiced:
            self._state, self._onset = SpeechState.STARTING, frame_start
        if self._state is SpeechState.STARTING:
            return self._while_starting(voiced)
        if self.is_speech:
            return self._while_speaking(probability, frame_start, voiced)
        return None

    def end(self) -> Ended | None:
        """No more frames: close a stretch that is going on, or one that was just starting."""
        if self._state is SpeechState.STARTING:
            self._start = max(self._onset - self._preroll, self._earliest_start)
            return self._ended(self._position, forced=False)
        if self.is_speech:
            return self._ended(self._end if self._state is SpeechState.STOPPING else self._position, forced=False)
        return None

    def _while_starting(self, voiced: bool) -> Started | None:
        if not voiced:
            self._state = SpeechState.QUIET
            return None
        if self._position - self._onset < self._min_speech:
            return None
        self._state = SpeechState.SPEAKING
        self._start = max(self._onset - self._preroll, self._earliest_start)
        return Started(self._start)

    def _while_speaking(self, probability: float, frame_start: int, voiced: bool) -> Ended | None:
        if self._state is SpeechState.SPEAKING and probability < self._settings.offset_probability:
            self._state, self._end = SpeechState.STOPPING, frame_start
        elif self._state is SpeechState.STOPPING and voiced:
            self._state = SpeechState.SPEAKING
        if self._state is SpeechState.STOPPING and self._position - self._end >= self._hangover:
            return self._ended(self._end, forced=False)
        if self._position - self._start >= self._max_speech:
            return self._ended(self._position, forced=True)
        return None

    def _ended(self, end_sample: int, forced: bool) -> Ended:
        self._state = SpeechState.QUIET
        self._earliest_start = end_sample
        return Ended(self._start, self._onset, end_sample, forced)
