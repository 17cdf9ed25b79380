"""A tuned model that hears: whole clips, and streams that are fed as they come.

Both go through the session that is served, so that what one finds the others find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.arrays import Samples, as_samples
from speechtune.audio.files import Sound, read_sound
from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.audio.placement import place_by_energy
from speechtune.audio.resample import resample
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import UnreadableAudioError
from speechtune.models.opened import OpenModel
from speechtune.streaming.clip_scores import clip_posteriors
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune.streaming.decision import Step, ranked
from speechtune.streaming.driver import SAMPLES_FORMAT, advance, chunks_of, run_session
from speechtune.streaming.events import Detection, Event, Score
from speechtune.streaming.session import Session
from speechtune.streaming.voice.activity import ActivityModel


@dataclass(frozen=True)
class Recognition:
    """What was heard in a clip.

    Attributes:
        detections: the commands, in their order.
        scores: every label with the confidence that the whole clip gets, 0 to 1, best first.
        notes: what of the audio is not as its file says, or was done about its channels, one sentence each.
    """

    detections: tuple[Detection, ...]
    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()


class Recognizer:
    """A tuned model, ready to hear; `speechtune.load` opens one.

    Attributes:
        model: the model: its name, digest and settings.
    """

    def __init__(self, model: OpenModel) -> None:
        self.model = model

    @property
    def keywords(self) -> tuple[str, ...]:
        """The commands that the model knows."""
        return self.model.labels.keywords

    @property
    def thresholds(self) -> dict[str, float]:
        """The least confidence at which each command is reported, 0 to 1."""
        return dict(self.model.thresholds)

    def recognize(
        self, audio: str | Path | Samples, *, rate_hz: int = SAMPLE_RATE_HZ, channel: int | None = None
    ) -> Recognition:
        """Find the commands in a whole clip.

        Args:
            audio: an audio file of at most ten minutes; or samples of one channel, one-dimensional, floating-point in
                -1 to 1 or int16.
            rate_hz: sample rate of the samples, 8,000 to 96,000. A file says its own.
            channel: channel of the file to take, counted from 1. Defaults to the mean of all, or to the loudest where
                they cancel each other.

        Raises:
            UnreadableAudioError: the file is missing, damaged or no audio; there is no sample, or one is no amplitude.
            UnsupportedAudioError: a rate, a length, a channel or a type of samples that is not taken.
        """
        sound = read_sound(Path(audio), channel=channel) if isinstance(audio, str | Path) else _sound_of(audio, rate_hz)
        scorer = self.model.scorer
        journal: list[Step] = []
        session = self._session(SAMPLES_FORMAT, journal=journal)
        events = run_session(session, scorer, self._activity, chunks_of(sound.samples))
        detections = tuple(event for event in events if isinstance(event, Detection))
        whole = scorer.score(place_by_energy(sound.samples, scorer.window_samples)[None])[0]
        posteriors = clip_posteriors(whole, detections, journal, scorer.labels)
        notes = tuple(dict.fromkeys((*sound.notes, *session.notes)))
        return Recognition(detections, ranked(posteriors, scorer.labels), notes)

    def stream(
        self, *, rate_hz: int = SAMPLE_RATE_HZ, commands: Sequence[str] = (), interims: bool = False
    ) -> RecognizerStream:
        """Begin a stream, to be fed with audio as it comes. A recogniser may have many at once.

        Args:
            rate_hz: sample rate of the audio, 8,000 to 96,000.
            commands: the commands to report. Defaults to all that the model knows.
            interims: report the scores of every window while speech goes on, too.

        Raises:
            UnsupportedAudioError: a rate that is not taken.
            UnknownLabelError, ConfigError: the model does not know a command, or one is named twice.
        """
        rules = tuple(CommandRule(command) for command in commands)
        session = self._session(PcmFormat(PcmEncoding.LINEAR16, rate_hz), rules, interims)
        return RecognizerStream(session, self.model, self._activity)

    def _session(
        self,
        audio: PcmFormat,
        commands: tuple[CommandRule, ...] = (),
        interims: bool = False,
        journal: list[Step] | None = None,
    ) -> Session:
        settings, scorer = self.model.settings, self.model.scorer
        config = SessionConfig(audio, commands, settings.detector, settings.endpointing, interims)
        return Session(config, scorer.labels, scorer.thresholds, scorer.window_samples, journal=journal)

    @cached_property
    def _activity(self) -> ActivityModel:
        from speechtune.streaming.voice.activity import SileroActivity

        return SileroActivity()


class RecognizerStream:
    """Audio that comes piece by piece, and what is found in it; `Recognizer.stream` begins one."""

    def __init__(self, session: Session, model: OpenModel, activity: ActivityModel) -> None:
        self._session = session
        self._model = model
        self._activity = activity

    def feed(self, audio: bytes | bytearray | memoryview | Samples) -> list[Event]:
        """Take the next audio, cut anywhere, and give what has been found since the last call, in order.

        Args:
            audio: raw little-endian 16-bit bytes of one channel; or samples, one-dimensional, floating-point in -1 to
                1 or int16.

        Raises:
            SessionGrammarError: the stream is finished, or samples come after half a value of bytes.
            UnreadableAudioError: a sample is not finite, or far beyond full scale.
            UnsupportedAudioError: an array of another shape or type.
        """
        self._session.receive(bytes(audio) if isinstance(audio, bytes | bytearray | memoryview) else as_samples(audio))
        return advance(self._session, self._model.scorer, self._activity)

    def finish(self) -> list[Event]:
        """End the audio: speech that has not ended ends here, and is decided.

        Raises:
            SessionGrammarError: the stream is finished already.
            UnreadableAudioError: the last value is incomplete.
        """
        self._session.end()
        return advance(self._session, self._model.scorer, self._activity)


def _sound_of(samples: Samples, rate_hz: int) -> Sound:
    pcm = PcmFormat(PcmEncoding.FLOAT32, rate_hz)
    converted: NDArray[np.float32] = resample(as_samples(samples), pcm.rate_hz)
    if not len(converted):
        raise UnreadableAudioError("there are no samples; give at least one at 16 kHz")
    return Sound(converted)
