"""A client that speaks the contract of `proto/`, as a conversation wants it, whatever carries its messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.live.inbox import EndReason
from speechtune_server.live.messages import ConversationRequest, FindModel, Order, Outgoing, Started, StreamEnded
from speechtune_server.process.config import ServerConfig
from speechtune_server.wire import requests
from speechtune_server.wire.incoming import Incoming, audio_and_orders, first_config
from speechtune_server.wire.replies import Replies


class ProtoCaller:
    """A client of `StreamingRecognize`.

    Args:
        incoming: the client's messages.
        write: sends a response.
        config: the limits that the client is told.

    Attributes:
        end_reason: why the stream ended; None until its client was told.
    """

    def __init__(
        self,
        incoming: AsyncIterator[Incoming],
        write: Callable[[pb.StreamingRecognizeResponse], Awaitable[object]],
        config: ServerConfig,
    ) -> None:
        self._incoming = incoming
        self._write = write
        self._config = config
        self._replies: Replies | None = None
        self.end_reason: EndReason | None = None

    async def request(self, find_model: FindModel) -> ConversationRequest:
        """As `Caller.request`."""
        config = await first_config(self._incoming)
        return requests.conversation_request(config, find_model(config.model))

    def audio_and_orders(self, model: ServedModel) -> AsyncIterator[bytes | Order]:
        """As `Caller.audio_and_orders`."""
        return audio_and_orders(self._incoming, model)

    async def started(self, started: Started) -> None:
        """As `Caller.started`."""
        self._replies = Replies(started)
        await self._write(self._replies.started(self._config))

    async def send(self, outgoing: Outgoing) -> None:
        """As `Caller.send`."""
        assert self._replies is not None, "the conversation has not started"
        await self._write(self._replies.event(outgoing))
        if isinstance(outgoing.event, StreamEnded):
            self.end_reason = outgoing.event.reason
