"""One connection: what a satellite, or Home Assistant for it, sends and is told.

    client: describe                                     → info
    client: detect(names), audio-start, audio-chunk, …   → detection, one for every command
    client: audio-stop                                   → not-detected, where there was none since audio-start

After audio-stop the connection stays: the satellite pauses, and may start again, with the same names or others. Chunks
that come without audio-start begin a stream too. What fails is told as `error`, and ends the connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.audio.timebase import SAMPLES_PER_MS
from speechtune.errors import InvalidRequestError, SessionGrammarError, UnsupportedAudioError
from speechtune.streaming.events import Detection as CommandDetection
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.live.conversation import Conversation
from speechtune_server.live.inbox import EndReason
from speechtune_server.live.messages import (
    ConversationRequest,
    FindModel,
    Order,
    Outgoing,
    Started,
    StreamEnded,
    UpdateCommands,
)
from speechtune_server.live.service import Service
from speechtune_server.process.access import Scope
from speechtune_server.process.call_context import begin_call, current_client, set_client
from speechtune_server.process.calls import Calls, ClientGoneError
from speechtune_server.process.clock import within
from speechtune_server.process.statuses import Refusal
from speechtune_server.wyoming_door.event_reader import EventReader
from speechtune_server.wyoming_door.wake_words import Wanted, info_of, wanted_of

METHOD = "/wyoming/detect"

_FIRST_EVENT_SECONDS = 30.0
"""Within which a connection must say something; later it may be silent for as long as the satellite pauses."""
_UNREAD_SECONDS = 30.0
"""Events are few and small: who has not taken one after so long will not take it."""
_FAREWELL_SECONDS = 5.0
"""For a client to take in what it is told last; one that reads nothing is not waited for."""
_MAX_FIRST_BYTES = 256 * 1024
"""Of a chunk without audio-start, which comes before the client is let in: eight seconds."""
_WIDTH_BYTES = 2


class Satellite:
    """One connection.

    Args:
        events: what the client sends.
        writer: to the client.
        service: what is served.
        calls: is told how streams end.
        address: of the client.
    """

    def __init__(
        self, events: EventReader, writer: asyncio.StreamWriter, service: Service, calls: Calls, address: str
    ) -> None:
        self._events = events
        self._writer = writer
        self._service = service
        self._calls = calls
        self._address = address
        self._names: tuple[str, ...] = ()
        self._next: Event | None = None
        self._has_found = False

    async def serve(self) -> None:
        """Answer until the client goes, or something fails; then close."""
        began, refusal = time.monotonic(), None
        begin_call("")
        set_client(self._address)
        try:
            refusal = await self._answer()
        except ClientGoneError:
            pass
        except Exception as error:
            refusal = self._calls.failed(error, METHOD, began)
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                if refusal is not None:
                    await self.tell(Error(refusal.message, refusal.status))
                # What a client is still sending would otherwise reset the connection, and with it what it was told.
                self._writer.write_eof()
                await self._events.discard()
                self._writer.close()
                await self._writer.wait_closed()
        except (TimeoutError, OSError, ClientGoneError):
            self._writer.transport.abort()

    async def tell(self, event: Eventable) -> None:
        """Send an event; waits a while for a client that does not read.

        Raises:
            ClientGoneError: nobody is there, or nobody reads.
        """
        try:
            await within(_UNREAD_SECONDS, async_write_event(event.event(), self._writer))
        except (ConnectionError, TimeoutError) as error:
            self._writer.transport.abort()
            raise ClientGoneError from error

    async def answered(self, event: Event) -> bool:
        """Answer what may be asked at any time; whether it was that."""
        if Describe.is_type(event.type):
            await self.tell(info_of(self._service.loaded.store))
        elif Ping.is_type(event.type):
            await self.tell(Pong(text=event.data.get("text")))
        else:
            return False
        return True

    async def _answer(self) -> Refusal | None:
        """Answer event by event; gives what the client is to be told before the connection is closed."""
        seconds: float | None = _FIRST_EVENT_SECONDS
        while (event := await self._event(seconds)) is not None:
            seconds = None
            if Detect.is_type(event.type):
                self._names = names_of(event)
            elif AudioStop.is_type(event.type):
                await self._stopped()
            elif AudioStart.is_type(event.type) or AudioChunk.is_type(event.type):
                self._has_found &= not AudioStart.is_type(event.type)
                stream = _Stream(self, self._events, self._service, event, self._names)
                refusal = await self._calls.held("wyoming", METHOD, partial(self._hold, stream))
                if refusal is not None or stream.end_reason is EndReason.DRAINING:
                    return refusal
                self._names, self._next = stream.names, stream.rest
                self._has_found |= stream.has_found
            else:
                await self.answered(event)  # what else there may be is left unheard, as the protocol wants it
        return None

    async def _event(self, seconds: float | None) -> Event | None:
        if self._next is not None:
            event, self._next = self._next, None
            return event
        try:
            return await within(seconds, self._events.read(_MAX_FIRST_BYTES))
        except TimeoutError:
            return None

    async def _hold(self, stream: _Stream) -> None:
        self._calls.admit("", Scope.RECOGNISE, self._address)
        await Conversation(self._service, stream, current_client()).hold()

    async def _stopped(self) -> None:
        if not self._has_found:
            await self.tell(NotDetected())
        self._has_found = False


class _Stream:
    """What comes from audio-start to audio-stop, as `Conversation` wants it.

    Attributes:
        names: what is listened for.
        rest: the event that ended it, to be looked at after it.
        has_found: whether the client was told of a command.
        end_reason: why it ended; None: it has not.
    """

    def __init__(
        self, satellite: Satellite, events: EventReader, service: Service, first: Event, names: tuple[str, ...]
    ) -> None:
        self.names = names
        self.rest: Event | None = None
        self.has_found = False
        self.end_reason: EndReason | None = None
        self._satellite = satellite
        self._events = events
        self._service = service
        self._first = first
        self._wanted: Wanted | None = None

    async def request(self, find_model: FindModel) -> ConversationRequest:  # noqa: ARG002  (wake words name models)
        """As `Caller.request`."""
        self._wanted = wanted_of(self.names, self._service.loaded.store)
        return ConversationRequest(self._wanted.model, form_of(self._first), self._wanted.rules)

    async def audio_and_orders(self, model: ServedModel) -> AsyncIterator[bytes | Order]:
        """As `Caller.audio_and_orders`."""
        form, event = form_of(self._first), self._first
        while not AudioStop.is_type(event.type):
            if AudioChunk.is_type(event.type):
                if form_of(event) != form:
                    raise SessionGrammarError("the form of the audio changes; send audio-stop and audio-start first")
                yield event.payload or b""
            elif AudioStart.is_type(event.type) and event is not self._first:
                break  # the next stream begins; this one was not stopped
            elif Detect.is_type(event.type):
                yield self._other_names(event, model)
            else:
                await self._satellite.answered(event)
            event = await self._read()
        self.rest = event

    async def started(self, started: Started) -> None:
        """As `Caller.started`; Wyoming has no word for it."""

    async def send(self, outgoing: Outgoing) -> None:
        """As `Caller.send`."""
        event = outgoing.event
        if isinstance(event, CommandDetection):
            assert self._wanted is not None, "the conversation has not started"
            self.has_found = True
            timestamp = (self._first.data.get("timestamp") or 0) + event.end_sample // SAMPLES_PER_MS
            await self._satellite.tell(Detection(f"{self._wanted.prefix}{event.label}", timestamp))
        elif isinstance(event, StreamEnded):
            self.end_reason = event.reason

    def _other_names(self, event: Event, model: ServedModel) -> UpdateCommands:
        self.names = names_of(event)
        self._wanted = wanted_of(self.names, self._service.loaded.store)
        if self._wanted.model is not model:
            raise SessionGrammarError("these wake words are of another model; send audio-stop first")
        return UpdateCommands(self._wanted.rules)

    async def _read(self) -> Event:
        event = await self._events.read(self._service.config.max_content_bytes)
        if event is None:
            raise ClientGoneError
        return event


def names_of(event: Event) -> tuple[str, ...]:
    """What `detect` asks for.

    Raises:
        InvalidRequestError: its names are no list of texts.
    """
    names = event.data.get("names") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidRequestError("detect.names", "it must be a list of names, or left out")
    return tuple(names)


def form_of(event: Event) -> PcmFormat:
    """The form of the audio that begins with this event, or that it holds.

    Raises:
        InvalidRequestError: it is not said, or not taken.
    """
    numbers = {name: event.data.get(name) for name in ("rate", "width", "channels", "timestamp")}
    for name, number in numbers.items():
        if type(number) is not int and (name != "timestamp" or number is not None):
            raise InvalidRequestError(f"{event.type}.{name}", f"{number!r} is not a whole number")
    if numbers["width"] != _WIDTH_BYTES:
        raise InvalidRequestError(
            f"{event.type}.width", f"{numbers['width']} is not taken; send 16-bit samples, width 2"
        )
    try:
        return PcmFormat(PcmEncoding.LINEAR16, event.data["rate"], event.data["channels"])
    except UnsupportedAudioError as error:
        raise InvalidRequestError(event.type, str(error)) from error
