"""One client's stream from its request to its end, whichever door the client came by.

A door gives a `Caller`, which translates: what the client sends into our words, and what it is told into the client's.
Everything else is here: who is let in, what is asked for and taken, hits, metrics, limits of time, and giving way.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from speechtune.audio.pcm import PcmFormat
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import InvalidRequestError, ServiceOverloadedError, SessionGrammarError, SessionTooLongError
from speechtune.recipe import EndpointingSettings
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.session import Session
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.hits.keeper import HitRecorder, Origin
from speechtune_server.live.file_samples import samples_of_file
from speechtune_server.live.messages import (
    ConversationRequest,
    FileForm,
    FindModel,
    Order,
    Outgoing,
    Started,
    Statistics,
    StreamEnded,
)
from speechtune_server.live.service import Service
from speechtune_server.live.stream import RecognitionStream, Send, StreamLimits
from speechtune_server.process.clock import within
from speechtune_server.process.places import Place

_CONFIG_SECONDS = 30.0
"""Within which a stream must begin, whatever the settings: it holds a place that others wait for."""
_MAX_SESSION_ID = 64
_MAX_STATE_SAMPLES = 600 * SAMPLE_RATE_HZ

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Caller(Protocol):
    """A client at its door. What its methods raise ends the conversation."""

    async def request(self, find_model: FindModel) -> ConversationRequest:
        """What the client asks for.

        Raises:
            SpeechTuneError: it cannot be done as asked, or something else comes.
        """

    def audio_and_orders(self, model: ServedModel) -> AsyncIterator[bytes | Order]:
        """What the client sends after its request: bytes of audio, cut anywhere, and orders between them.

        Args:
            model: that was asked for; its keywords are those that an order may name.
        """

    async def started(self, started: Started) -> None:
        """Tell the client that the conversation has begun, before anything else."""

    async def send(self, outgoing: Outgoing) -> None:
        """Tell the client of an event, in order; none comes that it does not want."""


class Conversation:
    """One client's stream.

    Args:
        service: what it is served from.
        caller: the client.
        client: whose stream it is: the name of a key, or an address, which has a colon in it.
    """

    def __init__(self, service: Service, caller: Caller, client: str = "") -> None:
        self._service = service
        self._caller = caller
        self._client = client
        self._statistics = Statistics()

    async def hold(self) -> None:
        """Hold it to its end.

        Raises:
            ServiceNotReadyError, ServiceOverloadedError: the client is not let in, or has to give way to another; or it
                sends faster than it may.
            InvalidRequestError: what is asked for cannot be done.
            SessionGrammarError: the client does not begin in time, or sends what has no place there.
            SessionTooLongError: a chunk is larger than the server takes.
            AudioError: the bytes are not audio of the form that was given; what came before is decided.
            RuntimeError: a model failed.
        """
        async with self._service.admission.stream(self._client) as place:
            opening = _in_time(self._service.config.max_idle_seconds, self._opened())
            request, audio, chunks = await opening
            await self._run(place, request, audio, chunks)

    async def _opened(self) -> tuple[ConversationRequest, PcmFormat, AsyncIterator[bytes | Order]]:
        """What is asked for; the form of the samples; and what follows."""
        config = self._service.config
        request = await _in_time(_CONFIG_SECONDS, self._caller.request(self._find_model))
        request = _checked(request, config.max_held_seconds)
        chunks = _no_larger(self._caller.audio_and_orders(request.model), config.max_content_bytes)
        if isinstance(request.audio, FileForm):
            audio, chunks = await samples_of_file(request.audio, chunks, self._statistics.notes)
            return request, audio, chunks
        return request, request.audio, chunks

    def _find_model(self, reference: str) -> ServedModel:
        return self._service.loaded.store.find(reference)

    async def _run(
        self, place: Place, request: ConversationRequest, audio: PcmFormat, chunks: AsyncIterator[bytes | Order]
    ) -> None:
        service, model = self._service, request.model
        settings = SessionConfig(
            audio=audio,
            commands=request.commands,
            detector=request.detector or model.detector,
            endpointing=request.endpointing or model.endpointing,
            interims=request.wanted.interims,
            every_window=request.wanted.rejections or service.hits is not None,
        )
        recorder = self._recorder(request)
        session = Session(
            settings,
            model.scorer.labels,
            model.scorer.thresholds,
            model.scorer.window_samples,
            state=request.state,
            listener=recorder.hear if recorder is not None else None,
        )
        stream = RecognitionStream(
            session=session,
            audio=audio,
            models=service.loaded.models_of(model),
            send=self._teller(request, recorder),
            limits=StreamLimits(
                service.config.in_flight_seconds(audio),
                service.config.max_stream_seconds,
                request.wanted.heartbeat_samples,
            ),
            clock=service.clock,
            statistics=self._statistics,
        )
        with service.admission.reachable(stream), self._giving_way(place, stream):
            await self._caller.started(Started(request, settings, tuple(session.rules.values())))
            await stream.run(self._watched(chunks, stream, place))

    def _recorder(self, request: ConversationRequest) -> HitRecorder | None:
        if self._service.hits is None:
            return None
        # A client without a key is an address, which is not kept beside what was said there.
        key = "" if ":" in self._client else self._client
        origin = Origin(request.model.name, request.model.digest, request.session_id, key)
        return self._service.hits.recorder(request.model.scorer.labels, origin)

    def _teller(self, request: ConversationRequest, recorder: HitRecorder | None) -> Send:
        """What takes the events of the stream."""

        async def tell(outgoing: Outgoing) -> None:
            self._service.metrics.event_sent(request.model.name, outgoing.event, outgoing.latency_seconds)
            if recorder is not None:
                recorder.note(outgoing.event)
            _log_end(request, outgoing)
            if request.wanted.includes(outgoing.event):
                await self._caller.send(outgoing)

        return tell

    @contextmanager
    def _giving_way(self, place: Place, stream: RecognitionStream) -> Iterator[None]:
        """For as long as it lasts, end the stream in good order when another needs its place, at last by force."""
        cancel = place.give_up
        ending: list[asyncio.TimerHandle] = []

        def end() -> None:
            stream.end_idle()
            seconds = self._service.config.max_compute_seconds
            ending.append(asyncio.get_running_loop().call_later(seconds, cancel))

        self._service.admission.begun(place, end)
        try:
            yield
        finally:
            place.give_up = cancel
            for timer in ending:
                timer.cancel()

    async def _watched(
        self, chunks: AsyncIterator[bytes | Order], stream: RecognitionStream, place: Place
    ) -> AsyncIterator[bytes | Order]:
        """The same chunks, until none comes for too long: then the stream ends.

        Raises:
            ServiceOverloadedError: it has ended, and its client does not read what it is told.
        """
        config = self._service.config
        try:
            while (chunk := await within(config.max_idle_seconds, anext(chunks, None))) is not None:
                self._service.admission.heard(place)
                yield chunk
        except TimeoutError as error:
            stream.end_idle()
            # Until then what it said last is decided, and sent to who reads.
            await asyncio.sleep((config.max_idle_seconds or 0.0) + config.max_compute_seconds)
            raise ServiceOverloadedError("the stream is idle, and its events are not read; open another one") from error


def _checked(request: ConversationRequest, max_held_seconds: float) -> ConversationRequest:
    """The same request, its session named.

    Raises:
        InvalidRequestError: it asks for more than the server gives.
    """
    session_id = request.session_id
    if len(session_id) > _MAX_SESSION_ID or not session_id.isascii() or not session_id.isprintable():
        raise InvalidRequestError("config.session_id", f"use at most {_MAX_SESSION_ID} printable ASCII characters")
    if request.state is not None and request.state.sample > _MAX_STATE_SAMPLES:
        raise InvalidRequestError("config.resume_state", "its place lies minutes after resume_offset: begin nearer")
    if request.endpointing is not None:
        held_seconds = _held_seconds(request.endpointing)
        # What the model's own recipe wants is the operator's wish.
        if held_seconds > max(max_held_seconds, _held_seconds(request.model.endpointing)):
            raise InvalidRequestError(
                "config.endpointing",
                f"preroll_ms, min_speech_ms and hangover_ms add up to {held_seconds:g} s; "
                f"{max_held_seconds:g} s are the limit of this server",
            )
    return replace(request, session_id=session_id or secrets.token_hex(16))


def _held_seconds(settings: EndpointingSettings) -> float:
    return (settings.preroll_ms + settings.min_speech_ms + settings.hangover_ms) / 1000.0


async def _no_larger(chunks: AsyncIterator[bytes | Order], max_chunk_bytes: int) -> AsyncIterator[bytes | Order]:
    """The same chunks.

    Raises:
        SessionTooLongError: one is larger than it may be.
    """
    async for chunk in chunks:
        if isinstance(chunk, bytes) and len(chunk) > max_chunk_bytes:
            raise SessionTooLongError(
                f"the chunk has {len(chunk)} bytes, {max_chunk_bytes} are the limit; send smaller ones"
            )
        yield chunk


async def _in_time(seconds: float | None, opening: Coroutine[Any, Any, Answer]) -> Answer:
    """Wait for what a client sends first; others want its place."""
    try:
        return await within(seconds, opening)
    except TimeoutError as error:
        raise SessionGrammarError(f"the stream did not begin within {seconds:g} s; send config at once") from error


def _log_end(request: ConversationRequest, outgoing: Outgoing) -> None:
    event = outgoing.event
    if isinstance(event, StreamEnded):
        fields = {
            "session_id": request.session_id,
            "model": request.model.name,
            "model_digest": request.model.digest,
            "audio_seconds": round(outgoing.samples_processed / SAMPLE_RATE_HZ, 3),
            "num_detections": event.statistics.num_detections,
        }
        _log.info("stream %s ended: %s", request.session_id, event.reason.value, extra=fields)
        for note in event.statistics.notes:
            _log.warning("stream %s: %s", request.session_id, note, extra={"session_id": request.session_id})
