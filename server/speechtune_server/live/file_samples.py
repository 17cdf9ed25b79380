"""The samples of a file that comes piece by piece, with the orders between its pieces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from speechtune.audio.pcm import PcmFormat
from speechtune.errors import InvalidRequestError, SessionGrammarError
from speechtune_server.decoding.forms import (
    NUM_HEAD_BYTES,
    FileEncoding,
    FileStream,
    encoding_of,
    incomplete_header,
    open_file_stream,
    stream_file_encodings,
)
from speechtune_server.live.messages import FileForm, Order

_TURN_SECONDS = 0.002
"""How long others wait while a file is read that gives no samples."""


async def samples_of_file(
    form: FileForm, chunks: AsyncIterator[bytes | Order], notes: list[str]
) -> tuple[PcmFormat, AsyncIterator[bytes | Order]]:
    """The form of the samples of a file, once its header is here, and the samples, with the orders among them.

    At the end of the file, what is not true of it is added to `notes`.

    Raises:
        InvalidRequestError: it is no file of that encoding, or one of a form that is not taken.
        SessionGrammarError: an order comes before its header is complete.
        UnreadableAudioError: later on, where the file is damaged or cut off.
    """
    encoding = form.encoding
    if encoding is None:
        encoding, chunks = await _told_by_its_head(chunks)
    file = await open_file_stream(encoding)
    async for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise _too_early()
        pieces = _in_turn(file.receive(chunk))
        first = await anext(pieces, b"")
        if file.form is not None:
            if form.channel is not None and form.channel > file.form.channels:
                raise InvalidRequestError(
                    "config.audio.channel",
                    f"{form.channel} is not there; 1 to {file.form.channels} are, 0: their mean",
                )
            return replace(file.form, channel=form.channel), _samples(first, pieces, file, chunks, notes)
    raise incomplete_header(encoding)


async def _told_by_its_head(
    chunks: AsyncIterator[bytes | Order],
) -> tuple[FileEncoding, AsyncIterator[bytes | Order]]:
    """The kind of a file by its first bytes, and the same chunks."""
    head = b""
    async for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise _too_early()
        head += chunk
        if len(head) >= NUM_HEAD_BYTES:
            break
    try:
        encoding = encoding_of(head[:NUM_HEAD_BYTES])
    except InvalidRequestError as error:
        raise InvalidRequestError(f"config.{error.field}", error.reason) from error
    if encoding not in stream_file_encodings():
        raise InvalidRequestError(
            "config.audio.encoding", f"is not set, and {encoding} files are not taken in streams here; send it whole"
        )
    return encoding, _after(head, chunks)


async def _after(head: bytes, chunks: AsyncIterator[bytes | Order]) -> AsyncIterator[bytes | Order]:
    yield head
    async for chunk in chunks:
        yield chunk


def _too_early() -> SessionGrammarError:
    return SessionGrammarError("control may come once the header of the file is complete")


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
