"""The route `/v1/stream`: one WebSocket is one stream, of the sub-protocol `speechtune.v1`.

The first message is text, the JSON of a StreamingRecognizeRequest with `config`. After it, binary messages are audio in
the encoding that was named, and messages of text the JSON of further requests, such as {"control": {"flush": {}}}.
{"control": {"end": {}}} ends the stream, as half-closing does in gRPC. Every response is one message of text.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from speechtune.errors import InvalidRequestError, NotPermittedError, SpeechTuneError
from speechtune_server.live.conversation import Conversation
from speechtune_server.live.inbox import EndReason
from speechtune_server.live.service import Service
from speechtune_server.process.access import Scope
from speechtune_server.process.call_context import REQUEST_ID_KEY, address_client, current_client, current_request_id
from speechtune_server.process.calls import Calls, ClientGoneError
from speechtune_server.websocket_door.closing import DONE, GOING_AWAY, close_code, error_text
from speechtune_server.websocket_door.visitors import Visitors
from speechtune_server.wire.caller import ProtoCaller
from speechtune_server.wire.incoming import Incoming
from speechtune_server.wire.json_text import request_of, writing_text

PATH = "/v1/stream"
SUBPROTOCOL = "speechtune.v1"
KEY_PREFIX = f"{SUBPROTOCOL}.key."
"""A browser cannot set headers; it offers its key as a further sub-protocol, which is never chosen."""

_FAREWELL_SECONDS = 5.0
"""For a client to take in what it is told last; one that reads nothing is not waited for."""


def websocket_routes(service: Service, calls: Calls | None = None, visitors: Visitors | None = None) -> list[BaseRoute]:
    """The routes of this door, for an application of Starlette.

    Args:
        service: what is served.
        calls: asks for keys, and is told how calls end. Defaults to no keys, and nobody who counts.
        visitors: which pages may connect. Defaults to those of the same host, as the settings of `service` say.
    """
    door = _Door(service, calls or Calls.open(), visitors or Visitors.of(service.config))
    return [WebSocketRoute(PATH, door.take)]


class _Door:
    def __init__(self, service: Service, calls: Calls, visitors: Visitors) -> None:
        self._service = service
        self._calls = calls
        self._visitors = visitors

    async def take(self, websocket: WebSocket) -> None:
        """One connection, from its handshake to its close."""
        try:
            self._visitors.check(websocket.headers.get("host", ""), websocket.headers.get("origin"))
            _check_subprotocol(websocket)
        except SpeechTuneError as error:
            # Not even a connection: a page that may not come should learn nothing from what it is told.
            status = 403 if isinstance(error, NotPermittedError) else 400
            await websocket.send_denial_response(PlainTextResponse(f"{error}\n", status))
            return
        given_id, metadata = websocket.headers.get(REQUEST_ID_KEY, ""), websocket.headers.items()
        stream = _Stream(websocket, self._service, self._calls)
        refusal = await self._calls.held("websocket", PATH, stream.hold, given_id, metadata)
        if refusal is not None:
            await stream.close(close_code(refusal), error_text(refusal))


class _Stream:
    """A stream over one WebSocket."""

    def __init__(self, websocket: WebSocket, service: Service, calls: Calls) -> None:
        self._websocket = websocket
        self._service = service
        self._calls = calls

    async def hold(self) -> None:
        """Take the connection, hold the conversation, and close."""
        try:
            headers = [(REQUEST_ID_KEY.encode(), current_request_id().encode())]
            await self._websocket.accept(SUBPROTOCOL, headers)
            self._calls.admit(_authorization(self._websocket), Scope.RECOGNISE, _address(self._websocket))
            caller = ProtoCaller(self._messages(), writing_text(self._websocket.send_text), self._service.config)
            await Conversation(self._service, caller, current_client()).hold()
        except WebSocketDisconnect as error:
            raise ClientGoneError from error
        await self.close(GOING_AWAY if caller.end_reason is EndReason.DRAINING else DONE)

    async def close(self, code: int, text: str | None = None) -> None:
        """Say the last word, and close."""
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                if text is not None:
                    await self._websocket.send_text(text)
                await self._websocket.close(code)
        except (TimeoutError, WebSocketDisconnect):
            return  # nobody is there to be told

    async def _messages(self) -> AsyncIterator[Incoming]:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise ClientGoneError
            text = message.get("text")
            yield message["bytes"] if text is None else request_of(text)


def _check_subprotocol(websocket: WebSocket) -> None:
    if SUBPROTOCOL not in websocket.scope["subprotocols"]:
        raise InvalidRequestError("Sec-WebSocket-Protocol", f"offer the sub-protocol {SUBPROTOCOL}")


def _authorization(websocket: WebSocket) -> str:
    """The key as `Access` wants it: of the header, else of the sub-protocol that stands for it."""
    offered = (name.removeprefix(KEY_PREFIX) for name in websocket.scope["subprotocols"] if name.startswith(KEY_PREFIX))
    return websocket.headers.get("authorization") or f"Bearer {next(offered, '')}"


def _address(websocket: WebSocket) -> str:
    return address_client(websocket.client.host if websocket.client is not None else "")
