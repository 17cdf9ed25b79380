"""What a client sends in one stream, in order: its configuration, then audio and orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeAlias

from speechtune.errors import SessionGrammarError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.live.messages import Order
from speechtune_server.wire import requests

Incoming: TypeAlias = pb.StreamingRecognizeRequest | bytes
"""A message of a client; bytes stand for a message of audio, where they travel by themselves."""


async def first_config(incoming: AsyncIterator[Incoming]) -> pb.StreamingConfig:
    """The configuration, which the first message holds.

    Raises:
        SessionGrammarError: it holds something else, or does not come.
    """
    async for request in incoming:
        if isinstance(request, bytes):
            raise _not_config("audio")
        kind = request.WhichOneof("payload")
        if kind != "config":
            raise _not_config(kind or "nothing known")
        requests.refuse_unknown_fields(request, "")
        return request.config
    raise SessionGrammarError("the stream ended before its first message, which must hold config")


async def audio_and_orders(incoming: AsyncIterator[Incoming], model: ServedModel) -> AsyncIterator[bytes | Order]:
    """What follows the configuration of a stream of `model`, until `control.end` or until there is no more.

    Raises:
        SessionGrammarError: a message holds something else.
        InvalidRequestError: an order that cannot be followed, or a field that is not known.
    """
    async for request in incoming:
        if isinstance(request, bytes):
            yield request
            continue
        kind = request.WhichOneof("payload")
        if kind == "audio":
            requests.refuse_unknown_fields(request, "")
            yield request.audio.content
        elif kind == "config":
            raise SessionGrammarError("config may come once, as the first message; open another stream for another one")
        elif kind == "control":
            requests.refuse_unknown_fields(request, "")
            if request.control.WhichOneof("op") == "end":
                return
            yield requests.order(request.control, model)
        else:
            raise SessionGrammarError("a message must hold audio or control, this one holds nothing known")


def _not_config(kind: str) -> SessionGrammarError:
    return SessionGrammarError(f"the first message must hold config, this one holds {kind}")
