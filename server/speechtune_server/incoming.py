"""What a client sends in one stream, in order: its configuration, then audio and orders; files become their samples."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from speechtune.errors import InvalidRequestError, SessionGrammarError, SessionTooLongError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server import wire
from speechtune_server.file_stream import FIELD, FileStream, open_file_stream, stream_file_encodings
from speechtune_server.model_store import ServedModel
from speechtune_server.orders import Order

_TURN_SECONDS = 0.002
"""How long others wait while a file is read that gives no samples."""


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
    requests: AsyncIterator[pb.StreamingRecognizeRequest], model: ServedModel, max_chunk_bytes: int
) -> AsyncIterator[bytes | Order]:
    """What follows the configuration of a stream of `model`.

    Raises:
        SessionGrammarError: a message holds something else.
        SessionTooLongError: a chunk is larger than `max_chunk_bytes`.
        InvalidRequestError: an order that cannot be followed, or a field that is not known.
    """
    async for request in requests:
        kind = request.WhichOneof("payload")
        if kind == "audio":
            wire.refuse_unknown_fields(request, "")
            content = request.audio.content
            if len(content) > max_chunk_bytes:
                raise SessionTooLongError(
                    f"the chunk has {len(content)} bytes, {max_chunk_bytes} are the limit; send smaller ones"
                )
            yield content
        elif kind == "config":
            raise SessionGrammarError("config may come once, as the first message; open another stream for another one")
        elif kind == "control":
            wire.refuse_unknown_fields(request, "")
            yield wire.order(request.control, model)
        else:
            raise SessionGrammarError("a message must hold audio or control, this one holds nothing known")


async def samples_of_file(
    audio: pb.AudioSpec, chunks: AsyncIterator[bytes | Order], notes: list[str]
) -> AsyncIterator[bytes | Order]:
    """The samples of a file, once its header is here; their form goes into `audio`.

    At the end of the file it is added to `notes` what is not true of it.

    Raises:
        InvalidRequestError: it is no file of that encoding, or one of a form that is not taken.
        SessionGrammarError: an order comes before its header is complete.
        UnreadableAudioError: later on, where the file is damaged or cut off.
    """
    wire.check_file(audio, "config.audio", stream_file_encodings())
    file = await open_file_stream(audio.encoding)
    async for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise SessionGrammarError("control may come once the header of the file is complete")
        pieces = _in_turn(file.receive(chunk))
        first = await anext(pieces, b"")
        if file.form is not None:
            audio.CopyFrom(wire.audio_spec(file.form, audio.channel))
            return _samples(first, pieces, file, chunks, notes)
    raise InvalidRequestError(FIELD, "ends before the header of the file is complete")


async def _samples(
    first: bytes,
    pieces: AsyncIterator[bytes],
    file: FileStream,
    chunks: AsyncIterator[bytes | Order],
    notes: list[str],
) -> AsyncIterator[bytes | Order]:
    yield first
    async for piece in pieces:
        yield piece
    async for chunk in chunks:
        if not isinstance(chunk, bytes):
            yield chunk
            continue
        async for piece in _in_turn(file.receive(chunk)):
            yield piece
    async for piece in _in_turn(file.end()):
        yield piece
    notes += file.notes


async def _in_turn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces that hold samples; between all of them others get their turn, for few bytes may mean much work."""
    began = time.monotonic()
    for piece in pieces:
        if piece:
            yield piece
        if piece or time.monotonic() - began > _TURN_SECONDS:
            await asyncio.sleep(0)
            began = time.monotonic()
