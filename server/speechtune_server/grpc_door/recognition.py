"""The service's methods. They translate, and hand over to `live`."""
# ruff: noqa: N802, ARG002  (names and parameters are the generated servicer's)

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import speechtune
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.grpc_door import incoming, replies, wire
from speechtune_server.live.clip import recognize_clip
from speechtune_server.live.conversation import Conversation
from speechtune_server.live.messages import ConversationRequest, FindModel, Order, Outgoing, Started
from speechtune_server.live.service import Service
from speechtune_server.process.call_context import current_client


@dataclass(eq=False)
class CommandRecognition(pb_grpc.CommandRecognitionServicer):
    """The service, for clients that speak gRPC.

    Attributes:
        service: what is served.
    """

    service: Service

    async def Recognize(self, request: pb.RecognizeRequest, context: Any) -> pb.RecognizeResponse:
        """The commands in one whole clip, which has its place already."""
        asked = wire.clip_request(request, self.service.loaded.store.find)
        result = await recognize_clip(self.service, asked)
        return replies.recognition(result, asked.model)

    async def StreamingRecognize(  # type: ignore[override]  # grpc.aio also takes a coroutine that writes
        self, request_iterator: AsyncIterator[pb.StreamingRecognizeRequest], context: Any
    ) -> None:
        """The commands in live audio."""
        await Conversation(self.service, GrpcCaller(request_iterator, context, self.service), current_client()).hold()

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        """The models that can be asked for."""
        await self.service.admission.serving()
        store = self.service.loaded.store
        return pb.ListModelsResponse(
            models=[replies.model_info(model, model is store.default) for model in store.models]
        )

    async def GetServerInfo(self, request: pb.GetServerInfoRequest, context: Any) -> pb.GetServerInfoResponse:
        """What this server takes, and its limits."""
        service = self.service
        await service.admission.serving()
        num_streams = service.admission.num_streams
        return replies.server_info(service.config, service.loaded.store, num_streams, speechtune.__version__)


class GrpcCaller:
    """A client of `StreamingRecognize`, as `Conversation` wants it.

    Args:
        requests: the client's messages.
        context: of the call.
        service: its limits are told to the client.
    """

    def __init__(self, requests: AsyncIterator[pb.StreamingRecognizeRequest], context: Any, service: Service) -> None:
        self._requests = requests
        self._context = context
        self._config = service.config
        self._replies: replies.Replies | None = None

    async def request(self, find_model: FindModel) -> ConversationRequest:
        """As `Caller.request`."""
        config = await incoming.first_config(self._requests)
        return wire.conversation_request(config, find_model(config.model))

    def audio_and_orders(self, model: ServedModel) -> AsyncIterator[bytes | Order]:
        """As `Caller.audio_and_orders`."""
        return incoming.audio_and_orders(self._requests, model)

    async def started(self, started: Started) -> None:
        """As `Caller.started`."""
        self._replies = replies.Replies(started)
        await self._context.write(self._replies.started(self._config))

    async def send(self, outgoing: Outgoing) -> None:
        """As `Caller.send`."""
        assert self._replies is not None, "the conversation has not started"
        await self._context.write(self._replies.event(outgoing))
