"""What uvicorn leaves to its users: connections that say nothing, that read nothing, and that do not go.

The two classes add bounds to uvicorn's own, which are otherwise as they are; its version is pinned for their sake.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

_NO_TEXT, _GOING_AWAY = 1007, 1012
_HANDSHAKE_SECONDS = 10.0
"""From a connection to its whole handshake."""
_LINGER_SECONDS = 10.0
"""From a close that the server said to the end of the connection, whatever the client does."""
_SHUTDOWN_SECONDS = 0.5
"""The same when the server stops."""
_MAX_AFTER_CLOSE_BYTES = 64 * 1024
"""What a client may still send after that; it may not have read it yet."""


class ImpatientHttp(H11Protocol):
    """HTTP, up to the handshake; a connection that has not asked for anything in time is closed."""

    def connection_made(self, transport: Any) -> None:
        """As uvicorn, with a time to ask."""
        super().connection_made(transport)
        self._asking = self.loop.call_later(_HANDSHAKE_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn."""
        self._asking.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """As uvicorn: from here on another protocol has the connection."""
        self._asking.cancel()
        super().handle_websocket_upgrade(event)

    def _give_up(self) -> None:
        cycle: Any = self.cycle  # uvicorn says that there always is one
        if cycle is None:
            self.transport.abort()


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose client is not waited for without end, nor listened to once it was told to go."""

    _num_after_close = 0
    _lingering: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """As uvicorn, which would keep up to a whole message of one that was refused."""
        if self.close_sent:
            self._num_after_close += len(data)
            if self._num_after_close > _MAX_AFTER_CLOSE_BYTES:
                self.transport.abort()
                return
        super().data_received(data)

    def send_receive_event_to_app(self) -> None:
        """As uvicorn, which logs text that is none as its own error, and fails where the client has closed already."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                if self.conn.state is State.OPEN:
                    self.conn.send_close(_NO_TEXT)
                    self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """As uvicorn, which calls it an error of the application that it was not told of a close in time."""
        await self.writable.wait()
        if self.close_sent and self.initial_response is None:
            raise ClientDisconnected
        await super().send(message)

    async def run_asgi(self) -> None:
        """As uvicorn, which waits for a client that reads nothing for as long as that pleases."""
        await super().run_asgi()
        if not self.disconnected:
            self._lingering = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """Close when the server stops, and wait a moment for the answer, which uvicorn does not.

        Otherwise what is still coming in would reset the connection, and with it what the client was told last.
        """
        self.stop_keepalive()
        if not self.handshake_complete:
            super().shutdown()
            return
        if self.conn.state is State.OPEN:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": _GOING_AWAY})
            self.conn.send_close(_GOING_AWAY)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(_SHUTDOWN_SECONDS, self.transport.abort)
        self.transport.resume_reading()

    def keepalive_timeout(self) -> None:
        """As uvicorn; a client that answers no ping will not read the rest either."""
        super().keepalive_timeout()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn."""
        if self._lingering is not None:
            self._lingering.cancel()
        super().connection_lost(exc)
