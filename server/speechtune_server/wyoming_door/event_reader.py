"""Events of Wyoming from a connection, one at a time, and none larger than it may be.

The package's own reader takes whatever length a client names, and cannot be cancelled between a head and its payload.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wyoming.event import Event

from speechtune.errors import InvalidRequestError, SessionTooLongError

MAX_DATA_BYTES = 64 * 1024
"""Of an event's data, and of the line before it; names of keywords are all that is wanted there."""

_LENGTHS = ("data_length", "payload_length")


class EventReader:
    """Reads events; one that was cancelled is read on by the next call.

    Args:
        reader: of the connection; its limit is that of a line.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._head: dict[str, Any] | None = None

    async def read(self, max_payload_bytes: int) -> Event | None:
        """The next event; None: the connection has ended, if need be in the middle of one.

        Args:
            max_payload_bytes: largest payload that is taken.

        Raises:
            InvalidRequestError: it is none.
            SessionTooLongError: its payload is larger than it may be.
        """
        try:
            if self._head is None:
                line = await self._reader.readuntil(b"\n")
                self._head = _head_of(line)
            _check_lengths(self._head, max_payload_bytes)
            num_data, num_payload = (self._head.get(name) or 0 for name in _LENGTHS)
            content = await self._reader.readexactly(num_data + num_payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except asyncio.LimitOverrunError as error:
            raise InvalidRequestError("event", f"its line has more than {MAX_DATA_BYTES} bytes") from error
        head, self._head = self._head, None
        data = head.get("data") or {}
        if num_data:
            data |= _object_of(content[:num_data], "data")
        return Event(head["type"], data, content[num_data:] or None)

    async def discard(self) -> None:
        """Take what still comes, to the end of the connection, and keep none of it."""
        while await self._reader.read(MAX_DATA_BYTES):
            pass


def _check_lengths(head: dict[str, Any], max_payload_bytes: int) -> None:
    for name, limit in zip(_LENGTHS, (MAX_DATA_BYTES, max_payload_bytes), strict=True):
        length = head.get(name) or 0
        if type(length) is not int or length < 0:
            raise InvalidRequestError(f"event.{name}", f"{length!r} is not a number of bytes")
        if length > limit:
            raise SessionTooLongError(f"{name} is {length}, {limit} bytes are the limit; send smaller chunks")


def _head_of(line: bytes) -> dict[str, Any]:
    head = _object_of(line, "event")
    if not isinstance(head.get("type"), str):
        raise InvalidRequestError("event.type", "not set; it names the event")
    if not isinstance(head.get("data") or {}, dict):
        raise InvalidRequestError("event.data", "it must be an object")
    return head


def _object_of(content: bytes, where: str) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(where, "it is not JSON") from error
    if not isinstance(parsed, dict):
        raise InvalidRequestError(where, "it must be an object")
    return parsed
