"""A stream's messages as the JSON of protobuf, for doors that carry text."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from google.protobuf import json_format

from speechtune.errors import InvalidRequestError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.wire.parsing import MAX_SETTINGS_BYTES

_MAX_DEPTH = 16
"""Of messages in messages; the deepest that is known has five."""


def request_of(text: str) -> pb.StreamingRecognizeRequest:
    """The message in `text`; names of fields as in the .proto file or in camel case.

    Raises:
        InvalidRequestError: it is none, holds a field that is not known, or is larger than `MAX_SETTINGS_BYTES`.
    """
    if len(text) > MAX_SETTINGS_BYTES:
        raise InvalidRequestError(
            "request",
            f"the text has {len(text)} characters, {MAX_SETTINGS_BYTES} are the limit; send audio as binary messages",
        )
    try:
        parsed: pb.StreamingRecognizeRequest = json_format.Parse(
            text, pb.StreamingRecognizeRequest(), max_recursion_depth=_MAX_DEPTH
        )
    except json_format.ParseError as error:
        raise InvalidRequestError("request", f"it is not the JSON of StreamingRecognizeRequest: {error}") from error
    return parsed


def text_of(response: pb.StreamingRecognizeResponse) -> str:
    """A response as one line of JSON."""
    return json.dumps(json_format.MessageToDict(response), separators=(",", ":"), ensure_ascii=False)


def writing_text(
    send_text: Callable[[str], Awaitable[object]],
) -> Callable[[pb.StreamingRecognizeResponse], Awaitable[object]]:
    """Writes responses as text."""

    def write(response: pb.StreamingRecognizeResponse) -> Awaitable[object]:
        return send_text(text_of(response))

    return write
