"""The service's methods: thin. They check, hand over, and answer."""
# ruff: noqa: N802, ARG002  (names and parameters are the generated servicer's)

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import speechtune
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import (
    InvalidRequestError,
    ServiceNotReadyError,
    ServiceOverloadedError,
    SessionGrammarError,
    SessionTooLongError,
)
from speechtune.streaming.session import Session
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_server.engine.dispatch import Dispatch
from speechtune_server.engine.model_library import ModelLibrary
from speechtune_server.engine.model_store import ModelStore, ServedModel
from speechtune_server.grpc_door import incoming, replies, wire
from speechtune_server.hits.keeper import HitKeeper, HitRecorder, Origin
from speechtune_server.live.clip import Clip, decode_file_clip, decode_raw_clip, recognize_clip
from speechtune_server.live.orders import Order
from speechtune_server.live.outgoing import Outgoing, Statistics, StreamEnded
from speechtune_server.live.stream import Models, RecognitionStream, StreamLimits
from speechtune_server.process.admission import Admission
from speechtune_server.process.call_context import current_client
from speechtune_server.process.clock import Clock, within
from speechtune_server.process.config import ServerConfig
from speechtune_server.process.metrics import Metrics
from speechtune_server.process.places import Place

Answer = TypeVar("Answer")

_CONFIG_SECONDS = 30.0
"""Within which a stream must begin, whatever the settings: it holds a place that others wait for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """What is there once the models are loaded."""

    library: ModelLibrary
    dispatch: Dispatch

    @property
    def store(self) -> ModelStore:
        """The models that are served now."""
        return self.library.store

    def models_of(self, model: ServedModel) -> Models:
        """What a stream of `model` asks for answers."""

        async def score(windows: NDArray[np.float32]) -> NDArray[np.float32]:
            return await self.dispatch.score(model, windows)

        return Models(self.dispatch.judge, score)


@dataclass(eq=False)
class CommandRecognition(pb_grpc.CommandRecognitionServicer):
    """The service.

    Attributes:
        config: the limits.
        admission: who is let in.
        clock: tells the time.
        metrics: is told what is found.
        hits: keeps the audio of what is found; None: nobody does.
        engine: None while the models are being loaded, when `admission` lets nobody in.
    """

    config: ServerConfig
    admission: Admission
    clock: Clock
    metrics: Metrics
    hits: HitKeeper | None = None
    engine: Engine | None = None

    async def Recognize(self, request: pb.RecognizeRequest, context: Any) -> pb.RecognizeResponse:
        """The commands in one whole clip, which has its place already."""
        wire.refuse_unknown_fields(request, "")
        engine = self._loaded
        model = engine.store.find(request.model)
        rules = wire.command_rules(request.commands, model, "commands")
        clip = await self._clip(request)
        result = await recognize_clip(clip, model, rules, engine.models_of(model))
        for detection in result.detections:
            self.metrics.event_sent(model.name, detection, None)
        return pb.RecognizeResponse(
            detections=[replies.detection(detection, model.digest) for detection in result.detections],
            scores=replies.clip_scores(model.scorer.labels.labels, result.posteriors.tolist()),
            model_digest=model.digest,
            notes=result.notes,
        )

    async def StreamingRecognize(  # type: ignore[override]  # grpc.aio also takes a coroutine that writes
        self, request_iterator: AsyncIterator[pb.StreamingRecognizeRequest], context: Any
    ) -> None:
        """The commands in live audio."""
        with self.admission.stream(current_client()) as place:
            statistics = Statistics()
            opening = self._opening(request_iterator, statistics.notes)
            config, model, chunks = await _in_time(self.config.max_idle_seconds, opening)
            engine = self._loaded
            request = wire.stream_request(config, model, self.config.max_held_seconds)
            scorer = request.model.scorer
            recorder = self._recorder(request)
            session = Session(
                request.session,
                scorer.labels,
                scorer.thresholds,
                scorer.window_samples,
                state=request.state,
                listener=recorder.hear if recorder is not None else None,
            )
            writer = replies.Replies(request)

            async def send(outgoing: Outgoing) -> None:
                self.metrics.event_sent(request.model.name, outgoing.event, outgoing.latency_seconds)
                if recorder is not None:
                    recorder.note(outgoing.event)
                _log_end(request, outgoing)
                response = writer.event(outgoing)
                if response is not None:
                    await context.write(response)

            stream = RecognitionStream(
                session=session,
                audio=request.session.audio,
                models=engine.models_of(request.model),
                send=send,
                limits=StreamLimits(
                    self.config.in_flight_seconds(request.session.audio),
                    self.config.max_stream_seconds,
                    request.heartbeat_samples,
                ),
                clock=self.clock,
                statistics=statistics,
            )
            with self.admission.reachable(stream), self._giving_way(place, stream):
                await context.write(writer.started(session, self.config))
                await stream.run(_watched(chunks, stream, self.config, lambda: self.admission.heard(place)))

    @contextmanager
    def _giving_way(self, place: Place, stream: RecognitionStream) -> Iterator[None]:
        """For as long as it lasts, end the stream in good order when another needs its place, at last by force."""
        cancel = place.give_up
        ending: list[asyncio.TimerHandle] = []

        def end() -> None:
            stream.end_idle()
            ending.append(asyncio.get_running_loop().call_later(self.config.max_compute_seconds, cancel))

        self.admission.begun(place, end)
        try:
            yield
        finally:
            place.give_up = cancel
            for timer in ending:
                timer.cancel()

    async def _opening(
        self, requests: AsyncIterator[pb.StreamingRecognizeRequest], notes: list[str]
    ) -> tuple[pb.StreamingConfig, ServedModel, AsyncIterator[bytes | Order]]:
        """The configuration, with the form of raw audio in it; the model; and what follows, of which `notes` tell."""
        config = await _in_time(_CONFIG_SECONDS, incoming.first_config(requests))
        model = self._loaded.store.find(config.model)
        chunks = incoming.audio_and_orders(requests, model, self.config.max_content_bytes)
        if config.audio.encoding in wire.FILE_ENCODINGS:
            chunks = await incoming.samples_of_file(config.audio, chunks, notes)
        return config, model, chunks

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        """The models that can be asked for."""
        self.admission.check_serving()
        store = self._loaded.store
        return pb.ListModelsResponse(
            models=[replies.model_info(model, model is store.default) for model in store.models]
        )

    async def GetServerInfo(self, request: pb.GetServerInfoRequest, context: Any) -> pb.GetServerInfoResponse:
        """What this server takes, and its limits."""
        self.admission.check_serving()
        return replies.server_info(self.config, self._loaded.store, self.admission.num_streams, speechtune.__version__)

    def _recorder(self, request: wire.StreamRequest) -> HitRecorder | None:
        if self.hits is None:
            return None
        # A client without a key is an address, which is not kept beside what was said there.
        key = "" if ":" in current_client() else current_client()
        model = request.model
        origin = Origin(model.name, model.digest, request.session_id, key)
        return self.hits.recorder(model.scorer.labels, origin)

    @property
    def _loaded(self) -> Engine:
        if self.engine is None:
            raise ServiceNotReadyError("the models are being loaded; try again later")
        return self.engine

    async def _clip(self, request: pb.RecognizeRequest) -> Clip:
        if not request.HasField("audio"):
            raise InvalidRequestError("audio", "not set; say the encoding, and for raw audio the sample rate")
        content, max_seconds = request.content, self.config.max_clip_seconds
        if len(content) > self.config.max_content_bytes:
            raise SessionTooLongError(
                f"the clip has {len(content)} bytes, {self.config.max_content_bytes} are the limit"
            )
        if wire.is_file(request.audio, "audio"):
            form = wire.FILE_ENCODINGS[request.audio.encoding]
            return await decode_file_clip(content, form, max_seconds, request.audio.channel or None)
        audio = wire.pcm_format(request.audio, "audio")
        return await decode_raw_clip(content, audio, max_seconds)


def _log_end(request: wire.StreamRequest, outgoing: Outgoing) -> None:
    event = outgoing.event
    if isinstance(event, StreamEnded):
        said = {
            "session_id": request.session_id,
            "model": request.model.name,
            "model_digest": request.model.digest,
            "audio_seconds": round(outgoing.samples_processed / SAMPLE_RATE_HZ, 3),
            "num_detections": event.statistics.num_detections,
        }
        _log.info("stream %s ended: %s", request.session_id, event.reason.value, extra=said)
        for note in event.statistics.notes:
            _log.warning("stream %s: %s", request.session_id, note, extra={"session_id": request.session_id})


async def _in_time(seconds: float | None, opening: Coroutine[Any, Any, Answer]) -> Answer:
    """Wait for what a client sends first; others want its place."""
    try:
        return await within(seconds, opening)
    except TimeoutError as error:
        raise SessionGrammarError(f"the stream did not begin within {seconds:g} s; send config at once") from error


async def _watched(
    chunks: AsyncIterator[bytes | Order], stream: RecognitionStream, config: ServerConfig, heard: Callable[[], None]
) -> AsyncIterator[bytes | Order]:
    """The same chunks, each of which `heard` is told of, until none comes for too long: then the stream ends.

    Raises:
        ServiceOverloadedError: it has ended, and its client does not read what it is told.
    """
    max_idle_seconds = config.max_idle_seconds
    try:
        while (chunk := await within(max_idle_seconds, anext(chunks, None))) is not None:
            heard()
            yield chunk
    except TimeoutError as error:
        stream.end_idle()
        # Until then what it said last is decided, and sent to who reads.
        await asyncio.sleep((max_idle_seconds or 0.0) + config.max_compute_seconds)
        raise ServiceOverloadedError("the stream is idle, and its events are not read; open another one") from error
