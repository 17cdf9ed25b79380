"""Recordings of any length through the session that serves: what it reports, and how long that took.

Several recordings are heard at once: the voice activity of all is judged in one call and their windows are scored
together, so that the models work on full batches and on all cores. Memory holds a block of audio per recording and the
scores of every window, whatever the length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.audio.timebase import SAMPLE_RATE_HZ, seconds_from_samples
from speechtune.errors import DataError, TrainingDivergedError
from speechtune.evaluation.streams.matching import PlayedStream, SpokenWord
from speechtune.evaluation.streams.recordings import Recording, audio_blocks, length_seconds, words_within
from speechtune.labels import LabelSet
from speechtune.recipe import SessionSettings
from speechtune.streaming.config import CommandRule, Scorer, SessionConfig
from speechtune.streaming.decision import Step, decided
from speechtune.streaming.events import Detection
from speechtune.streaming.session import Request, ScoreRequest, Session
from speechtune.streaming.voice.activity import FRAME_SAMPLES, ActivityAnswer, ActivityModel, ActivityRequest

NUM_AT_ONCE = 16
"""Recordings heard at once."""

_NUM_TIMED = 20

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class PlayedRecording:
    """One recording and all that its decisions were made of, so that other thresholds need no second playback.

    Attributes:
        recording: what was played.
        num_samples: its length at 16 kHz.
        steps: the session's steps, in order; None where they are not known: then only what was reported is.
        detections: what the session reported at the thresholds it was given.
    """

    recording: Recording
    num_samples: int
    steps: tuple[Step, ...] | None
    detections: tuple[Detection, ...]

    @property
    def stream(self) -> PlayedStream:
        """For `score_streams`."""
        return PlayedStream(self.recording.name, self.num_samples, self.spoken, self.detections)

    @property
    def spoken(self) -> tuple[SpokenWord, ...]:
        """What was said, within the recording."""
        return words_within(self.recording, self.num_samples)


@dataclass(frozen=True)
class Playback:
    """All recordings, in their order.

    Attributes:
        labels: of the model.
        thresholds: that the sessions used, one per keyword.
        settings: of the sessions.
        num_windows: how many windows were scored.
        seconds: wall time; `scoring_seconds`: of those, in the model; None: not known.
        exact_from: the lowest threshold, beside those of the sessions, that `streams_at` can tell of.
    """

    heard: tuple[PlayedRecording, ...]
    labels: LabelSet
    thresholds: dict[str, float]
    settings: SessionSettings
    num_windows: int
    seconds: float
    scoring_seconds: float | None
    exact_from: float = 0.0

    @property
    def audio_seconds(self) -> float:
        """Audio heard."""
        return sum(seconds_from_samples(one.num_samples) for one in self.heard)

    @property
    def session_thresholds(self) -> dict[str, float]:
        """What the sessions took for each keyword: the settings' one threshold for all where they have one."""
        level = self.settings.detector.threshold
        return {label: own if level is None else level for label, own in self.thresholds.items()}

    @property
    def streams(self) -> tuple[PlayedStream, ...]:
        """For `score_streams`."""
        return tuple(one.stream for one in self.heard)

    @property
    def knows_steps(self) -> bool:
        """Whether `streams_at` can tell."""
        return all(one.steps is not None for one in self.heard)

    def streams_at(self, thresholds: dict[str, float]) -> tuple[PlayedStream, ...]:
        """What sessions set to these thresholds report: exact, since no window depends on a threshold.

        Raises:
            DataError: the steps of the sessions are not known, or not for thresholds as low as these.
            UnknownLabelError: a threshold of something that is not a keyword.
            ConfigError: a threshold that is not within 0 and 1.
        """
        config = SessionConfig(
            _FORMAT, tuple(CommandRule(label, level) for label, level in thresholds.items()), self.settings.detector
        )
        rules = config.effective_rules(self.labels, thresholds)
        if not self.knows_steps:
            raise DataError("what was reported at one set of thresholds does not tell what others would report")
        own = self.session_thresholds
        if too_low := [label for label, level in thresholds.items() if level < min(self.exact_from, own[label])]:
            raise DataError(
                f"thresholds of {', '.join(too_low)} below {self.exact_from}: not all windows that they need "
                "were scored; play the recordings with a lower exact_from"
            )
        return tuple(
            PlayedStream(
                one.recording.name,
                one.num_samples,
                one.spoken,
                tuple(
                    event
                    for event in decided(one.steps or (), self.labels, rules, self.settings.detector)
                    if isinstance(event, Detection)
                ),
            )
            for one in self.heard
        )


_FORMAT = PcmFormat(PcmEncoding.FLOAT32, SAMPLE_RATE_HZ)


def play(
    scorer: Scorer,
    activity: ActivityModel,
    recordings: Sequence[Recording],
    settings: SessionSettings | None = None,
    progress: Progress | None = None,
    exact_from: float = 0.0,
) -> Playback:
    """Play recordings to sessions with the scorer's thresholds.

    Args:
        scorer: the model.
        activity: the voice activity model.
        recordings: at least one.
        settings: of the sessions.
        progress: told after every round how many seconds of audio are done, and how many there are.
        exact_from: the lowest threshold, beside the scorer's own, that the result can tell of; the higher, the fewer
            windows are scored.

    Raises:
        UnreadableAudioError, UnsupportedAudioError: a recording cannot be read; the message names it.
        TrainingDivergedError: the model answers with numbers that are not finite.
    """
    settings = settings or SessionSettings()
    start = time.perf_counter()
    waiting = [_Ear(recording, scorer, settings, exact_from) for recording in recordings]
    ears = list(waiting)
    open_ears: list[_Ear] = []
    scoring_seconds, num_windows = 0.0, 0
    total = 0 if progress is None else max(round(sum(length_seconds(one.path) for one in recordings)), 1)
    while waiting or open_ears:
        while waiting and len(open_ears) < NUM_AT_ONCE:
            open_ears.append(waiting.pop(0))
        requests = _windows_of(open_ears, activity)
        open_ears = [ear for ear in open_ears if not ear.is_finished]
        if requests:
            windows = np.concatenate([request.windows for _, request in requests])
            asked = time.perf_counter()
            answers = scorer.score(windows)
            scoring_seconds += time.perf_counter() - asked
            num_windows += len(windows)
            _share_out(requests, answers)
        if progress is not None:
            progress("listen", min(int(sum(ear.seconds_heard for ear in ears)), total), total)
    if progress is not None:
        progress("listen", total, total)
    return Playback(
        heard=tuple(ear.heard() for ear in ears),
        labels=scorer.labels,
        thresholds=dict(scorer.thresholds),
        settings=settings,
        num_windows=num_windows,
        seconds=time.perf_counter() - start,
        scoring_seconds=scoring_seconds,
        exact_from=exact_from,
    )


def decision_compute_ms(scorer: Scorer, activity: ActivityModel) -> tuple[float, ...]:
    """Wall time of what one decision waits for, in ms, several times: one frame of voice activity, one window alone."""
    rng = np.random.default_rng(0)
    frames = (0.1 * rng.standard_normal((1, FRAME_SAMPLES))).astype(np.float32)
    window = (0.1 * rng.standard_normal((1, scorer.window_samples))).astype(np.float32)
    scorer.score(window)  # the first call of a model also prepares it
    taken = []
    for _ in range(_NUM_TIMED):
        start = time.perf_counter()
        activity.probabilities(ActivityRequest(frames))
        scorer.score(window)
        taken.append(1000.0 * (time.perf_counter() - start))
    return tuple(taken)


def _windows_of(ears: Sequence[_Ear], activity: ActivityModel) -> list[tuple[_Ear, ScoreRequest]]:
    """Play every recording on until it has windows to score or is over; gives those that have."""
    requests: list[tuple[_Ear, ScoreRequest]] = []
    playing = list(ears)
    while playing:
        asked: list[tuple[_Ear, ActivityRequest]] = []
        for ear in playing:
            request = ear.next_request()
            if isinstance(request, ScoreRequest):
                requests.append((ear, request))
            elif request is not None:
                asked.append((ear, request))
        for (ear, request), answer in zip(
            asked, activity.probabilities_together([one for _, one in asked]), strict=True
        ):
            ear.answer(request, answer)
        playing = [ear for ear, _ in asked]
    return requests


def _share_out(requests: Sequence[tuple[_Ear, ScoreRequest]], answers: NDArray[np.float32]) -> None:
    first = 0
    for ear, request in requests:
        part = answers[first : first + len(request.windows)]
        if not np.isfinite(part).all():
            raise TrainingDivergedError(
                f"{ear.recording.path}: the model answers with numbers that are not finite; "
                "its weights are of no use, fine-tune again"
            )
        ear.answer(request, part)
        first += len(request.windows)


class _Ear:
    """One recording and its session."""

    def __init__(self, recording: Recording, scorer: Scorer, settings: SessionSettings, exact_from: float) -> None:
        self.recording = recording
        self._scorer = scorer
        self._settings = settings
        self._exact_from = exact_from
        self._steps: list[Step] = []
        self._detections: list[Detection] = []
        self._num_samples = 0
        self._session: Session | None = None
        self._blocks: Iterator[NDArray[np.float32]] = iter(())
        self.is_finished = False

    def next_request(self) -> Request | None:
        """Play on until the models are needed, or to the end: then None."""
        session = self._session or self._open()
        while (request := session.next_request()) is None:
            self._take(session)
            if session.is_finished:
                self._num_samples = session.num_samples_received
                self.is_finished, self._session = True, None
                return None
            block = next(self._blocks, None)
            if block is None:
                session.end()
            else:
                session.receive(block)
        return request

    def answer(self, request: Request, answer: ActivityAnswer | NDArray[np.float32]) -> None:
        """Go on with what the models say of `request`."""
        session = self._session or self._open()
        session.resolve(request, answer)
        self._take(session)

    @property
    def seconds_heard(self) -> float:
        """Audio taken so far."""
        num_samples = self._num_samples if self._session is None else self._session.num_samples_received
        return seconds_from_samples(num_samples)

    def heard(self) -> PlayedRecording:
        """What was heard, once finished."""
        return PlayedRecording(self.recording, self._num_samples, tuple(self._steps), tuple(self._detections))

    def _open(self) -> Session:
        # Opened when its turn comes: a folder may hold more recordings than files can be open.
        audio = audio_blocks(self.recording.path)
        config = SessionConfig(
            PcmFormat(PcmEncoding.FLOAT32, audio.rate_hz),
            detector=self._settings.detector,
            endpointing=self._settings.endpointing,
        )
        scorer = self._scorer
        self._session = Session(
            config,
            scorer.labels,
            scorer.thresholds,
            scorer.window_samples,
            journal=self._steps,
            exact_from=self._exact_from,
        )
        self._blocks = audio.blocks
        return self._session

    def _take(self, session: Session) -> None:
        self._detections += [event for event in session.take_events() if isinstance(event, Detection)]
