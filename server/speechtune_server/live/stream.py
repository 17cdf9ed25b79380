"""Drives one session: bytes from the client to the session, its requests to the models, its events to the client.

Two tasks run side by side. One reads what the client sends into the inbox, so that a limit that is exceeded or a
message that is wrong ends the stream at once. The other works: it takes audio from the inbox, has the session's one
request at a time answered, and sends what was found.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.pcm import PcmFormat
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import AudioError, ServiceNotReadyError, SpeechTuneError
from speechtune.streaming.events import Detection, Event, Interim, Rejected, SpeechEnded
from speechtune.streaming.listening_state import ListeningState
from speechtune.streaming.session import Request, ScoreRequest, Session
from speechtune.streaming.voice.activity import ActivityAnswer, ActivityRequest
from speechtune_server.live.inbox import EndReason, Inbox
from speechtune_server.live.messages import Flush, Heartbeat, Order, Outgoing, Reset, Statistics, StreamEnded
from speechtune_server.process.clock import Clock

STEP_SECONDS = 0.5
"""Audio given to the session at once: enough to be efficient, little enough that events do not wait for it."""
_END_NOTICE_SECONDS = 5.0
"""How long before a configured longest length the client is warned."""


@dataclass(frozen=True)
class StreamLimits:
    """What one stream may do.

    Attributes:
        max_in_flight_seconds: audio received and not yet processed.
        max_seconds: longest stream; None: for ever.
        heartbeat_samples: a heartbeat after so much processed audio, at 16 kHz; None: none.
    """

    max_in_flight_seconds: float
    max_seconds: float | None = None
    heartbeat_samples: int | None = None


class Models:
    """What a stream asks for answers: the voice activity model and its own recogniser, batched with other streams."""

    def __init__(
        self,
        voice_activity: Callable[[ActivityRequest], Awaitable[ActivityAnswer]],
        score: Callable[[NDArray[np.float32]], Awaitable[NDArray[np.float32]]],
    ) -> None:
        self._voice_activity = voice_activity
        self.score = score

    async def answer(self, request: Request) -> ActivityAnswer | NDArray[np.float32]:
        """Answer a session's request.

        Raises:
            ServiceNotReadyError: a model takes too long.
            RuntimeError: a model refused what the session cut for it, which is no fault of the client.
        """
        try:
            if isinstance(request, ActivityRequest):
                return await self._voice_activity(request)
            return await self.score(request.windows)
        except ServiceNotReadyError:
            raise
        except SpeechTuneError as error:
            raise RuntimeError(f"a model failed: {error}") from error

    async def answer_all(self, session: Session) -> None:
        """Answer what the session asks until it asks for nothing; its events wait to be taken.

        Raises:
            ServiceNotReadyError, RuntimeError: as for `answer`.
        """
        while (request := session.next_request()) is not None:
            session.resolve(request, await self.answer(request))


Send: TypeAlias = Callable[[Outgoing], Awaitable[None]]


@dataclass(eq=False)
class RecognitionStream:
    """One stream from its first byte of audio to `StreamEnded`.

    Attributes:
        session: a fresh one.
        audio: form of the bytes.
        models: answers the session's requests.
        send: takes every event, in order; is awaited before the next.
        limits: what the stream may do.
        clock: tells the time.
    """

    session: Session
    audio: PcmFormat
    models: Models
    send: Send
    limits: StreamLimits
    clock: Clock
    statistics: Statistics = field(default_factory=Statistics)

    def __post_init__(self) -> None:
        self._bytes_per_second = self.audio.rate_hz * self.audio.bytes_per_frame
        self._inbox: Inbox[Order] = Inbox(self._whole_frames(self.limits.max_in_flight_seconds), self._bytes_per_second)
        self._warning: Heartbeat | None = None
        self._last_beat = 0
        self._num_taken = 0
        self._is_warned = False
        self._damage: AudioError | None = None
        self._state: ListeningState | None = None

    def warn(self, seconds: float) -> None:
        """Tell the client that the server is going to end the stream in `seconds`."""
        self._warning = Heartbeat(seconds, EndReason.DRAINING)
        self._inbox.wake()

    def drain(self) -> None:
        """Take no more audio; finish what was received, then end."""
        self._inbox.end(EndReason.DRAINING)

    def end_idle(self) -> None:
        """The client has sent nothing for too long; finish what was received, then end."""
        self._inbox.end(EndReason.IDLE)

    async def run(self, chunks: AsyncIterator[bytes | Order]) -> None:
        """Recognise `chunks` and follow the orders among them, until they end, a drain, or the longest length.

        Raises:
            AudioError: the bytes are not audio of the given form; what came before is decided.
            ServiceOverloadedError: the client is too far ahead.
            Exception: whatever `chunks` raises, at once.
        """
        reading = asyncio.create_task(self._read(chunks))
        working = asyncio.create_task(self._work())
        try:
            await asyncio.wait({reading, working}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            await working
        finally:
            # Also when the client has gone: nothing of this stream may go on.
            reading.cancel()
            working.cancel()
            await asyncio.gather(reading, working, return_exceptions=True)

    async def _read(self, chunks: AsyncIterator[bytes | Order]) -> None:
        try:
            async for chunk in chunks:
                if isinstance(chunk, bytes):
                    self._inbox.put(chunk, self.clock.now())
                else:
                    self._inbox.put_order(chunk)
        except AudioError as error:
            self._damage = error  # what came before it is still decided
        self._inbox.end(EndReason.CLIENT_FINISHED)

    async def _work(self) -> None:
        while not self._inbox.is_exhausted:
            await self._send_warning()
            content = await self._inbox.take(self._room())
            if content:
                self._num_taken += len(content)
                self.session.receive(content)
                await self._advance()
                self._watch_length()
            while (order := self._inbox.take_order()) is not None:
                await self._follow(order)
        await self._finish(self._inbox.end_reason or EndReason.CLIENT_FINISHED)

    async def _follow(self, order: Order) -> None:
        if isinstance(order, Flush):
            self.session.flush()
            await self._advance()
        elif isinstance(order, Reset):
            self.session.reset()
        else:
            self.session.update_commands(order.commands)

    async def _finish(self, reason: EndReason) -> None:
        await self._send_warning()  # a drain without notice is warned of too
        try:
            self.session.end()
        except AudioError as error:
            self._damage = self._damage or error  # an incomplete value: what came before it is still decided
        await self._advance()
        # Where we cut the audio, the cut is not a fault.
        if self._damage is not None and reason is EndReason.CLIENT_FINISHED:
            raise self._damage
        self.statistics.notes += self.session.notes
        await self._send(StreamEnded(reason, self.statistics), None)

    async def _advance(self) -> None:
        while (request := self.session.next_request()) is not None:
            if isinstance(request, ScoreRequest):
                self.statistics.num_windows_scored += len(request.windows)
            self.session.resolve(request, await self.models.answer(request))
            await self._deliver()
        await self._deliver()  # the end of the audio may decide something without another request

    async def _deliver(self) -> None:
        for event in self.session.take_events():
            await self._send_event(event)
        self._inbox.processed(self._byte_position(self.session.num_samples_processed))
        self._state = self.session.listening_state or self._state
        await self._send_heartbeat()

    async def _send_event(self, event: Event) -> None:
        if isinstance(event, Detection):
            self.statistics.num_detections += 1
        elif isinstance(event, Rejected):
            self.statistics.num_rejections += 1
        await self._send(event, self._arrival(event))

    async def _send_heartbeat(self) -> None:
        interval = self.limits.heartbeat_samples
        processed = self.session.num_samples_processed
        if interval is not None and processed - self._last_beat >= interval:
            self._last_beat = processed
            state, self._state = self._state, None
            await self._send(Heartbeat(microphone=self.session.microphone, state=state), None)

    async def _send_warning(self) -> None:
        if self._warning is not None:
            warning, self._warning = self._warning, None
            await self._send(warning, None)

    async def _send(self, event: Event | Heartbeat | StreamEnded, arrival: float | None) -> None:
        latency = None if arrival is None else max(self.clock.now() - arrival, 0.0)
        await self.send(Outgoing(event, self.session.num_samples_processed, latency))

    def _arrival(self, event: Event) -> float | None:
        """When the last audio came that the event needed."""
        if isinstance(event, Detection | Rejected | SpeechEnded):
            needed = event.decision_sample
        elif isinstance(event, Interim):
            needed = event.end_sample
        else:
            needed = self.session.num_samples_processed
        return self._inbox.arrival(self._byte_position(needed))

    def _room(self) -> int:
        """How many bytes may be taken now: a step, and nothing beyond the longest length."""
        step = self._whole_frames(STEP_SECONDS)
        if self.limits.max_seconds is None:
            return step
        return min(step, self._whole_frames(self.limits.max_seconds) - self._num_taken)

    def _watch_length(self) -> None:
        if self.limits.max_seconds is None:
            return
        left_seconds = self.limits.max_seconds - self._num_taken / self._bytes_per_second
        if self._num_taken >= self._whole_frames(self.limits.max_seconds):
            self._inbox.cut(EndReason.MAX_DURATION)
        elif not self._is_warned and left_seconds <= min(_END_NOTICE_SECONDS, self.limits.max_seconds / 2):
            self._is_warned = True
            self._warning = Heartbeat(left_seconds, EndReason.MAX_DURATION)

    def _whole_frames(self, seconds: float) -> int:
        return int(seconds * self.audio.rate_hz) * self.audio.bytes_per_frame

    def _byte_position(self, sample: int) -> int:
        """Where in the client's bytes a sample at 16 kHz lies, rounded up to a whole value."""
        return -(-sample * self.audio.rate_hz // SAMPLE_RATE_HZ) * self.audio.bytes_per_frame
