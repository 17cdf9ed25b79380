"""Cuts a stream into utterances: from samples and speech probabilities to the windows and events they lead to.

What `Segmenter.take_plan` gives is in the order of the audio. It holds no more samples than a window may still need.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import samples_from_ms
from speechtune.streaming.bursts import BurstGate
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.decision import LongUtteranceEnded
from speechtune.streaming.endpointer import Ended, Endpointer, SpeechState, Started
from speechtune.streaming.events import Event, SpeechEnded, SpeechStarted
from speechtune.streaming.listening_state import ListeningState
from speechtune.streaming.microphone import MicrophoneMeter
from speechtune.streaming.voice.activity import FRAME_SAMPLES, ActivityAnswer, ActivityRequest
from speechtune.streaming.voice.quiet_gate import QuietGate
from speechtune.streaming.voice.speech_gain import SpeechGain, amplified
from speechtune.streaming.windows import SampleBuffer, Span, Window, passing_window, utterance_window

Planned: TypeAlias = Event | Window | LongUtteranceEnded

_MAX_FRAMES_PER_REQUEST = 256  # 8 s of audio: bounds the memory of one request when a file is fed at once

_BRIEF_SAMPLES = samples_from_ms(110)
"""What sounds for no longer is a scrap of talk rather than a word, and must be surer: of 656 commands heard in long
recordings one was so short, and so was the false accept that scored highest."""


class Segmenter:
    """The part of a session between samples and decisions.

    Args:
        config: the stream's settings.
        window_samples: length of the windows the model takes.
        meter: hears the level of every frame.
        start_sample: where the audio begins, counted at 16 kHz.
        state: what was heard elsewhere before; what it has heard is not listened to again.
    """

    def __init__(
        self,
        config: SessionConfig,
        window_samples: int,
        meter: MicrophoneMeter,
        start_sample: int = 0,
        state: ListeningState | None = None,
    ) -> None:
        self._config = config
        self._window_samples = window_samples
        self._meter = meter
        self._buffer = SampleBuffer(start_sample)
        if state is None:
            self._endpointer = Endpointer(config.endpointing, start_sample)
            self._gate, self._gain, self._bursts = QuietGate(), SpeechGain(), BurstGate(config.endpointing)
        else:
            self._endpointer = Endpointer(config.endpointing, state.sample, state.earliest_start)
            self._gate, self._gain = QuietGate(state.num_quiet), SpeechGain(state.ceiling_dbfs, state.two_last)
            self._bursts = BurstGate(config.endpointing, state.background_db)
        self._activity = state.activity if state is not None else None
        self._peaks: list[float] = []
        self._gains_db: list[float] = []
        self._analysed = state.sample if state is not None else start_sample
        self._is_heard = False
        self._next_passing = 0
        self._is_open = False
        self._is_closing = False
        self._is_closed = False
        self._plan: list[Planned] = []

    @property
    def end(self) -> int:
        """The sample after the last that came in, at 16 kHz."""
        return self._buffer.end

    @property
    def analysed(self) -> int:
        """The sample after the last whose voice activity is known; may lie in the filled-up last frame."""
        return self._analysed

    @property
    def is_closed(self) -> bool:
        """Whether the audio has ended and everything in it is planned."""
        return self._is_closed

    @property
    def has_whole_frame(self) -> bool:
        """Whether a frame waits to be analysed."""
        return self._buffer.end - self._analysed >= FRAME_SAMPLES

    @property
    def state(self) -> ListeningState | None:
        """What must be known of what was heard in order to go on elsewhere; None while somebody may be speaking."""
        if self._is_closing or self._plan or self._endpointer.state is not SpeechState.QUIET:
            return None
        return ListeningState(
            self._analysed,
            self._endpointer.earliest_start,
            self._activity,
            self._gate.num_quiet,
            self._gain.ceiling_dbfs,
            self._gain.two_last,
            self._bursts.background_db,
        )

    def append(self, samples: NDArray[np.float32]) -> None:
        """Take float32[N] at 16 kHz."""
        self._buffer.append(samples)

    def close(self) -> None:
        """No more samples come: what is there is to be decided without waiting."""
        self._is_closing = True

    def next_request(self) -> ActivityRequest | None:
        """Frames whose voice activity must be known to go on; None when none are, or when the plan must be taken."""
        frames = self._pass_quiet()
        if frames is not None:
            return ActivityRequest(amplified(frames, self._gains_db), self._activity)
        if self._is_closing and not self._is_closed and not self._plan:
            self._close_last()
        return None

    def resolve(self, answer: ActivityAnswer) -> None:
        """Take the voice activity that was asked for."""
        self._activity = answer.state
        self._make_plan(answer.probabilities)

    def take_plan(self) -> list[Planned]:
        """What the audio analysed since the last call leads to, in order."""
        plan, self._plan = self._plan, []
        return plan

    def _pass_quiet(self) -> NDArray[np.float32] | None:
        """Take frames that are too quiet for speech as such; gives those after them that the model must judge now."""
        while not self._plan and (frames := self._waiting_frames()) is not None:
            peaks: NDArray[np.float32] = np.abs(frames).max(axis=1)
            num_skipped = self._gate.num_skipped(peaks)
            num_taken = num_skipped or self._gate.num_heard(peaks)
            self._peaks = peaks[:num_taken].tolist()
            self._gains_db = self._gain.follow(self._peaks)
            if not num_skipped:
                return frames[:num_taken]
            self._activity = None  # the model goes on as it begins: after silence
            self._make_plan(np.zeros(num_skipped, dtype=np.float32))
        return None

    def _waiting_frames(self) -> NDArray[np.float32] | None:
        """float32[F, 512]: the frames that are received and not analysed, as many as one request may hold."""
        num_samples = self._buffer.end - self._analysed
        # Once the audio has ended, its last incomplete frame is filled up with zeros.
        num_frames = -(-num_samples // FRAME_SAMPLES) if self._is_closing else num_samples // FRAME_SAMPLES
        num_frames = min(num_frames, _MAX_FRAMES_PER_REQUEST)
        if num_frames <= 0:
            return None
        samples = self._buffer.between(self._analysed, self._analysed + num_frames * FRAME_SAMPLES)
        return samples.reshape(num_frames, FRAME_SAMPLES)

    def _make_plan(self, probabilities: NDArray[np.float32]) -> None:
        """Walk the endpointer over analysed frames; note the events and cut the windows they lead to, in order."""
        frames = self._buffer.between(self._analysed, self._analysed + len(probabilities) * FRAME_SAMPLES)
        strengthened = self._bursts.strengthen(probabilities, frames.reshape(-1, FRAME_SAMPLES), self._gains_db)
        onset = self._config.endpointing.onset_probability
        end = self._buffer.end
        for peak, heard, probability in zip(self._peaks, probabilities.tolist(), strengthened, strict=True):
            change = self._endpointer.step(probability)
            self._is_heard |= heard >= onset
            self._meter.hear(peak, is_speech=heard >= onset and self._endpointer.is_speech)
            self._analysed += FRAME_SAMPLES
            now = min(self._analysed, end)
            if isinstance(change, Started):
                self._open(change.start_sample)
            elif isinstance(change, Ended):
                self._close(change, now)
            elif self._endpointer.is_speech and now >= self._next_passing:
                self._plan.append(passing_window(self._buffer, now, self._window_samples))
                self._next_passing += samples_from_ms(self._config.detector.hop_ms)
            if self._endpointer.state is SpeechState.QUIET:
                self._is_heard = False
        self._forget()

    def _open(self, start_sample: int) -> None:
        self._is_open = True
        self._next_passing = start_sample + self._longest_utterance
        self._plan.append(SpeechStarted(start_sample))

    def _close(self, ended: Ended, now: int) -> None:
        if not self._is_open:
            self._open(ended.start_sample)
        self._is_open = False
        start, end = ended.start_sample, min(ended.end_sample, self._buffer.end)
        self._plan.append(SpeechEnded(start, end, now))
        if end - start <= self._longest_utterance:
            is_faint = not self._is_heard or (not self._is_closed and end - ended.onset_sample < _BRIEF_SAMPLES)
            window = utterance_window(self._buffer, start, end, now, self._window_samples, is_faint=is_faint)
            self._plan.append(window)
        else:
            self._plan.append(LongUtteranceEnded(Span(start, end, now)))

    def _close_last(self) -> None:
        self._is_closed = True
        ended = self._endpointer.end()
        if ended is not None:
            self._close(ended, self._buffer.end)

    @property
    def _longest_utterance(self) -> int:
        """Samples of speech, preroll included, that are still decided by one window."""
        return self._window_samples + samples_from_ms(self._config.endpointing.preroll_ms)

    def _forget(self) -> None:
        """Drop what no window can need any more: an utterance's own length, and half a window before it."""
        endpointing = self._config.endpointing
        horizon = self._window_samples // 2 + samples_from_ms(endpointing.preroll_ms + endpointing.min_speech_ms)
        if self._endpointer.is_speech:
            horizon += self._longest_utterance + samples_from_ms(endpointing.hangover_ms)
        self._buffer.forget_before(self._analysed - horizon - 2 * FRAME_SAMPLES)
