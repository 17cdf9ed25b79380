"""The bytes of a request to a message: refused where they are none, or hold more settings than anybody needs.

A message may be as large as its audio. Without a bound of its own on what stands beside the audio, sixteen megabytes of
empty commands would be unpacked to a gigabyte of objects, and looked through while every stream waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError, Message

from speechtune.errors import InvalidRequestError

MAX_SETTINGS_BYTES = 128 * 1024
"""Of one message, its audio left out: thousands of commands."""

_AUDIO = {"RecognizeRequest": (4,), "StreamingRecognizeRequest": (2, 1)}
"""By message: the numbers of the fields that lead to its audio."""

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
_MAX_VARINT_BYTES = 10
_NO_MESSAGE = "it is not a message of this method"


def has_fields(parse: Callable[[bytes], Message]) -> bool:
    """Whether the message that `parse` makes can hold anything."""
    return bool(parse(b"").DESCRIPTOR.fields)


def parsed(parse: Callable[[bytes], Message], content: bytes) -> Any:
    """The message in `content`.

    Raises:
        InvalidRequestError: it is none, or holds more than `MAX_SETTINGS_BYTES` beside its audio.
    """
    if len(content) > MAX_SETTINGS_BYTES:
        audio = _AUDIO.get(parse(b"").DESCRIPTOR.name, ())
        _num_settings_bytes(content, 0, len(content), audio)
    try:
        return parse(content)
    except DecodeError as error:
        raise InvalidRequestError("request", _NO_MESSAGE) from error


def _num_settings_bytes(content: bytes, place: int, end: int, audio: tuple[int, ...]) -> int:
    """Bytes between `place` and `end` that do not belong to the audio; looked for no further than the bound.

    Raises:
        InvalidRequestError: there are more of them than the bound, or the bytes are no message.
    """
    num_bytes = 0
    while place < end:
        begin = place
        tag, place = _varint(content, place)
        kind = tag & 7
        length = 0
        if kind == _VARINT:
            _, place = _varint(content, place)
        elif kind == _BYTES:
            length, place = _varint(content, place)
        elif kind in _FIXED:
            place += _FIXED[kind]
        else:
            raise InvalidRequestError("request", _NO_MESSAGE)
        num_bytes += place - begin
        if kind == _BYTES and audio and tag >> 3 == audio[0]:
            if len(audio) > 1:
                num_bytes += _num_settings_bytes(content, place, min(place + length, end), audio[1:])
        else:
            num_bytes += length
        place += length
        if num_bytes > MAX_SETTINGS_BYTES:
            raise InvalidRequestError(
                "request", f"holds more than {MAX_SETTINGS_BYTES} bytes beside its audio, which is the limit"
            )
    return num_bytes


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """The number that begins at `place`, and where it ends."""
    value = 0
    for index, byte in enumerate(content[place : place + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, place + index + 1
    raise InvalidRequestError("request", _NO_MESSAGE)
