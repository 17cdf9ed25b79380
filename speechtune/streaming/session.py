"""The recogniser's state for one stream, without any IO.

Grammar::

    receive* end          audio in: bytes or samples however they were cut, then the end of the audio
    next_request resolve  work out: at most one request is outstanding; `resolve` answers it
    take_events           what has been found since the last call, in order

A driver feeds audio, answers requests until there are none, and takes the events; see `driver.run_session` for the
plain one. Nothing depends on how the audio was cut, nor on when the driver gets round to answering.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.pcm import PcmDecoder
from speechtune.audio.resample import StreamResampler
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.audio.true_rate import PaceWatch
from speechtune.errors import SessionGrammarError, UnreadableAudioError
from speechtune.labels import LabelSet
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune.streaming.decision import Decision, LongUtteranceEnded, Step, UtteranceBegan, ranked
from speechtune.streaming.events import Event, Interim, SpeechStarted
from speechtune.streaming.listening_state import ListeningState
from speechtune.streaming.microphone import Microphone, MicrophoneMeter
from speechtune.streaming.segmenter import Segmenter
from speechtune.streaming.voice.activity import ActivityAnswer, ActivityRequest
from speechtune.streaming.voice.speech_gain import brought_up
from speechtune.streaming.window_choice import PlannedWindow, WindowChoice
from speechtune.streaming.windows import Window


@dataclass(frozen=True)
class ScoreRequest:
    """Windows to score, quiet ones amplified: float32[B, window_samples], B ≥ 1.

    It is answered with posteriors float32[B, K].
    """

    windows: NDArray[np.float32]


Request: TypeAlias = ActivityRequest | ScoreRequest

Listener: TypeAlias = Callable[[int, NDArray[np.float32]], None]
"""Is told where samples begin in the stream, counted at 16 kHz, and the samples, float32[N] at 16 kHz."""


class Session:
    """One stream, from audio to events.

    Args:
        config: the stream's settings.
        labels: the model's labels, in the order of its posteriors.
        thresholds: the model's calibrated threshold of every keyword.
        window_samples: length of the windows the model takes.
        journal: every step of the decision is appended to it, for those who want to decide again at other thresholds.
        exact_from: the journal tells what is detected at any threshold from this one up, and at the session's own. The
            higher it is, the fewer windows of long speech are scored. Defaults to 0 where there is a journal.
        state: the `listening_state` of another session, whose audio this one goes on with: the audio up to its place is
            only what later windows may reach back to.
        listener: is told all audio that the session takes, decoded and at 16 kHz, before its events are taken.

    Raises:
        UnknownLabelError, ConfigError: as for `SessionConfig.effective_rules`.
    """

    def __init__(
        self,
        config: SessionConfig,
        labels: LabelSet,
        thresholds: dict[str, float],
        window_samples: int,
        *,
        journal: list[Step] | None = None,
        exact_from: float | None = None,
        state: ListeningState | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.rules = config.effective_rules(labels, thresholds)
        self._config = config
        self._labels = labels
        self._window_samples = window_samples
        self._decoder = PcmDecoder(config.audio)
        self._resampler = StreamResampler(config.audio.rate_hz)
        self._meter = MicrophoneMeter()
        self._pace = PaceWatch()
        self._segmenter = Segmenter(config, window_samples, self._meter, state=state)
        self._decision = Decision(labels, self.rules, config.detector)
        self._thresholds = thresholds
        self._num_decoded = 0
        self._is_flushing = False
        self._journal = journal
        self._listener = listener
        self._processed = 0 if state is None else state.sample
        self._is_ended = False
        self._outstanding: Request | None = None
        self._plan: list[Event | PlannedWindow | LongUtteranceEnded] = []
        self._to_score: list[PlannedWindow] = []
        if config.interims or config.every_window or (journal is not None and exact_from is None):
            exact_from = 0.0
        self._exact_from = 1.0 if exact_from is None else exact_from
        self._choice = self._new_choice()
        self._events: list[Event] = []

    @property
    def num_samples_received(self) -> int:
        """Samples at 16 kHz that came in (and out of the resampler) so far."""
        return self._segmenter.end

    @property
    def num_samples_processed(self) -> int:
        """Samples at 16 kHz whose consequences are all among the events, taken or waiting."""
        return min(self._processed, self._segmenter.end)

    @property
    def listening_state(self) -> ListeningState | None:
        """What another session needs to go on from `num_samples_processed`; None while speech is heard or undecided."""
        if self._is_ended or self._is_flushing or self._plan or self._outstanding is not None:
            return None
        return self._segmenter.state if self._segmenter.end >= self._segmenter.analysed else None

    @property
    def microphone(self) -> Microphone:
        """What the level of the audio processed so far tells of the microphone; a flush changes nothing about it."""
        return self._meter.microphone

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the audio so far is not as its form says, one sentence each."""
        return (*self._decoder.notes, *self._pace.notes)

    @property
    def is_finished(self) -> bool:
        """Whether the audio has ended and everything in it is decided."""
        return self._segmenter.is_closed and not self._plan and self._outstanding is None

    def receive(self, content: bytes | NDArray[np.float32]) -> None:
        """Take audio, cut anywhere; it may be empty.

        Args:
            content: PCM bytes in the stream's format; or samples that are decoded already, float32[N] of one channel
                at the rate of that format.

        Raises:
            SessionGrammarError: the audio has ended already, or samples come where a value of bytes is incomplete.
            UnreadableAudioError: a value is not a finite number, or far beyond full scale.
        """
        if self._is_ended:
            raise SessionGrammarError("audio after the end of the audio: open a new session")
        if self._is_flushing:
            raise SessionGrammarError("audio before the flush is done: do the work that waits first")
        if isinstance(content, bytes):
            decoded = self._decoder.decode(content)
        elif self._decoder.num_pending_bytes:
            raise SessionGrammarError("samples inside a value: send the rest of its bytes first")
        else:
            decoded = self._decoder.pass_on(content)
        self._num_decoded += len(decoded)
        self._append(self._resampler.process(decoded))

    def end(self) -> None:
        """The audio has ended: what is pending will be endpointed, scored and decided.

        Raises:
            SessionGrammarError: it has ended already.
            UnreadableAudioError: the last value is incomplete.
        """
        if self._is_ended:
            raise SessionGrammarError("the audio has ended already")
        if self._is_flushing:
            raise SessionGrammarError("the end before the flush is done: do the work that waits first")
        self._is_ended = True
        self._close_audio()
        if self._decoder.num_pending_bytes:
            raise UnreadableAudioError(
                f"the audio ends inside a value: {self._decoder.num_pending_bytes} bytes are left over; "
                "check the encoding and the number of channels"
            )

    def flush(self) -> None:
        """Decide on all audio received so far as if it ended here, then go on as if a stream began here.

        Offsets and refractory times go on. The work is done when `next_request` gives None again.

        Raises:
            SessionGrammarError: the audio has ended, or work waits that comes first.
        """
        self._check_idle("flush")
        self._is_flushing = True
        self._close_audio()

    def reset(self) -> None:
        """Forget all audio received so far: speech that goes on is not decided. Offsets go on.

        Raises:
            SessionGrammarError: the audio has ended, or work waits that comes first.
        """
        self._check_idle("reset")
        self._decision = Decision(self._labels, self.rules, self._config.detector)
        self._meter = MicrophoneMeter()
        self._append(self._last_samples())
        self._restart()

    def update_commands(self, commands: tuple[CommandRule, ...]) -> None:
        """Report these keywords from here on; none: all of the model's. Speech that goes on is decided by them.

        Raises:
            UnknownLabelError, ConfigError: as for `SessionConfig.effective_rules`; nothing has changed then.
            SessionGrammarError: the audio has ended, or work waits that comes first.
        """
        self._check_idle("update of the commands")
        self.rules = replace(self._config, commands=commands).effective_rules(self._labels, self._thresholds)
        self._decision.update_rules(self.rules)
        self._choice.update_rules(self.rules)

    def next_request(self) -> Request | None:
        """The next piece of work, or None when there is none before more audio comes (or ever, once ended).

        Raises:
            SessionGrammarError: the last request is not resolved.
        """
        if self._outstanding is not None:
            raise SessionGrammarError("the last request is not resolved yet")
        while not self._plan and self._outstanding is None:
            self._outstanding = self._segmenter.next_request()
            if not self._take_plan() and self._outstanding is None:
                break
        if self._to_score:
            self._outstanding = ScoreRequest(brought_up(np.stack([window.samples for window in self._to_score])))
        return self._outstanding

    def resolve(self, request: Request, answer: ActivityAnswer | NDArray[np.float32]) -> None:
        """Answer the outstanding request.

        Raises:
            SessionGrammarError: `request` is not the outstanding one, or the answer is of the wrong kind or shape.
        """
        if request is not self._outstanding:
            raise SessionGrammarError("this request is not the outstanding one")
        if isinstance(request, ActivityRequest):
            if not isinstance(answer, ActivityAnswer) or len(answer.probabilities) != len(request.frames):
                raise SessionGrammarError("voice activity is answered with one probability per frame")
            self._outstanding = None
            self._segmenter.resolve(answer)
            self._take_plan()
            return
        shape = (len(request.windows), len(self._labels.labels))
        if isinstance(answer, ActivityAnswer) or answer.shape != shape:
            raise SessionGrammarError(f"windows are answered with posteriors of shape {shape}")
        self._outstanding = None
        for window, posteriors in zip(self._to_score, answer, strict=True):
            window.step.posteriors = posteriors
        self._go_on()

    def take_events(self) -> list[Event]:
        """The events since the last call, in order."""
        events, self._events = self._events, []
        return events

    def _restart(self) -> None:
        """Go on at this place as a stream that begins here."""
        # Counted from what came in: what the resampler rounds does not add up over many restarts.
        here = round(self._num_decoded * SAMPLE_RATE_HZ / self._config.audio.rate_hz)
        self._resampler = StreamResampler(self._config.audio.rate_hz)
        self._segmenter = Segmenter(self._config, self._window_samples, self._meter, here)
        self._processed = here
        self._is_flushing = False

    def _append(self, samples: NDArray[np.float32]) -> None:
        """Take float32[N] at 16 kHz."""
        if self._listener is not None:
            self._listener(self._segmenter.end, samples)
        self._segmenter.append(samples)

    def _last_samples(self) -> NDArray[np.float32]:
        """What the resampler still holds, float32[N] at 16 kHz; it takes nothing after this."""
        return self._resampler.process(np.zeros(0, dtype=np.float32), last=True)

    def _close_audio(self) -> None:
        self._append(self._last_samples())
        self._segmenter.close()

    def _check_idle(self, order: str) -> None:
        if self._is_ended:
            raise SessionGrammarError(f"{order} after the end of the audio: open a new session")
        if self._segmenter.end < self._segmenter.analysed:
            raise SessionGrammarError(f"{order} before the place of the listening state: it was followed already")
        if self._outstanding is not None or self._plan or self._is_flushing or self._segmenter.has_whole_frame:
            raise SessionGrammarError(f"{order}: do the work that waits first")

    def _take_plan(self) -> bool:
        """Take what the audio has led to, and follow it at once where no window must be scored; gives whether any."""
        for step in self._segmenter.take_plan():
            if isinstance(step, Window):
                self._pace.hear(step.samples)
                self._plan.append(PlannedWindow(step))
            else:
                self._plan.append(step)
        has_any = bool(self._plan)
        self._go_on()
        return has_any

    def _go_on(self) -> None:
        """Find which windows of the plan must be scored next; once there are none, follow it."""
        self._to_score, choice, passing = [], self._choice, list[PlannedWindow]()
        for step in self._plan:
            if isinstance(step, SpeechStarted):
                self._to_score += choice.wanted(passing, is_last=False)
                choice, passing = self._new_choice(), []
            elif isinstance(step, LongUtteranceEnded):
                self._to_score += choice.wanted(passing, is_last=True)
                choice, passing = self._new_choice(), []
            elif isinstance(step, PlannedWindow) and not step.step.whole_utterance:
                passing.append(step)
            elif isinstance(step, PlannedWindow) and not step.is_scored:
                self._to_score.append(step)
        self._to_score += choice.wanted(passing, is_last=False)
        if not self._to_score:
            choice.passed(passing)
            self._choice = choice
            self._follow_plan()

    def _new_choice(self) -> WindowChoice:
        return WindowChoice(self._labels, self.rules, self._config.detector, self._exact_from)

    def _follow_plan(self) -> None:
        """Turn the plan into events."""
        plan, self._plan = self._plan, []
        for step in plan:
            if isinstance(step, PlannedWindow):
                if self._config.interims and step.step.posteriors is not None:
                    self._events.append(
                        Interim(step.step.span.decision_sample, ranked(step.step.posteriors, self._labels))
                    )
                self._decide(step.step)
            elif isinstance(step, LongUtteranceEnded):
                self._decide(step)
            else:
                if isinstance(step, SpeechStarted):
                    self._decide(UtteranceBegan())
                self._events.append(step)
        self._processed = self._segmenter.analysed
        if self._is_flushing and self._segmenter.is_closed:
            self._restart()

    def _decide(self, step: Step) -> None:
        if self._journal is not None:
            self._journal.append(step)
        event = self._decision.follow(step)
        if event is not None:
            self._events.append(event)
