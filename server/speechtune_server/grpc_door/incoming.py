"""What a client sends in one stream, in order: its configuration, then audio and orders."""

from __future__ import annotations

from collections.abc import AsyncIterator

from speechtune.errors import SessionGrammarError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.grpc_door import wire
from speechtune_server.live.messages import Order


async def first_config(requests: AsyncIterator[pb.StreamingRecognizeRequest]) -> pb.StreamingConfig:
    """The configuration, which the first message holds.

    Raises:
        SessionGrammarError: it holds something else, or does not come.
    """
    async for request in requests:
        kind = request.WhichOneof("payload")
        if kind == "config":
            wire.refuse_unknown_fields(request, "")
            return request.config
        raise SessionGrammarError(f"the first message must hold config, this one holds {kind or 'nothing known'}")
    raise SessionGrammarError("the stream ended before its first message, which must hold config")


async def audio_and_orders(
    requests: AsyncIterator[pb.StreamingRecognizeRequest], model: ServedModel
) -> AsyncIterator[bytes | Order]:
    """What follows the configuration of a stream of `model`.

    Raises:
        SessionGrammarError: a message holds something else.
        InvalidRequestError: an order that cannot be followed, or a field that is not known.
    """
    async for request in requests:
        kind = request.WhichOneof("payload")
        if kind == "audio":
            wire.refuse_unknown_fields(request, "")
            yield request.audio.content
        elif kind == "config":
            raise SessionGrammarError("config may come once, as the first message; open another stream for another one")
        elif kind == "control":
            wire.refuse_unknown_fields(request, "")
            yield wire.order(request.control, model)
        else:
            raise SessionGrammarError("a message must hold audio or control, this one holds nothing known")
