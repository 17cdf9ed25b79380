"""The port of this door."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Protocol

from speechtune.errors import ConfigError
from speechtune_server.live.service import Service
from speechtune_server.process.call_context import address_client
from speechtune_server.process.calls import Calls
from speechtune_server.process.config import WYOMING_SCHEME, host_and_port
from speechtune_server.process.listening import address_of, listening_socket
from speechtune_server.wyoming_door.event_reader import MAX_DATA_BYTES, EventReader
from speechtune_server.wyoming_door.satellite import Satellite

_CLOSE_SECONDS = 0.5
"""For clients to take in what they were told, when the server stops."""


class _Stoppable(Protocol):
    async def stop(self) -> None:
        """Undo what was started."""


class WyomingServer:
    """Listens, and serves every connection.

    Args:
        service: what is served.
        calls: is told how streams end.
    """

    def __init__(self, service: Service, calls: Calls) -> None:
        self._service = service
        self._calls = calls
        self._server: asyncio.Server | None = None
        self._announcement: _Stoppable | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def num_connections(self) -> int:
        """Connections open now."""
        return len(self._connections)

    async def start(self, uri: str) -> str:
        """Listen, and tell the network if that is asked for; gives the URI with the real port.

        Raises:
            AddressInUseError, ConfigError: as `listening_socket` and `Announcement.start`.
        """
        address = uri.removeprefix(WYOMING_SCHEME)
        listener = listening_socket(address)
        # The limit is that of a line; what waits to be read is no more than twice as much.
        self._server = await asyncio.start_server(self._connected, sock=listener, limit=MAX_DATA_BYTES)
        address = address_of(listener, address)
        name = self._service.config.wyoming_zeroconf
        if name is not None:
            self._announcement = await _announced(name, *host_and_port(address))
        return f"{WYOMING_SCHEME}{address}"

    async def stop(self) -> None:
        """Listen no longer, and cut off what is still open."""
        if self._announcement is not None:
            await self._announcement.stop()
        if self._server is not None:
            self._server.close()
        connections = dict(self._connections)
        for writer in connections.values():
            with suppress(OSError):
                writer.write_eof()  # a client that is told so closes, and loses nothing of what it was told
        if connections:
            await asyncio.wait(connections, timeout=_CLOSE_SECONDS)
        for task, writer in connections.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._connections[task] = writer
        # A satellite that lost its power says nothing, as does one that pauses.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer = writer.get_extra_info("peername") or ("",)
        try:
            await Satellite(EventReader(reader), writer, self._service, self._calls, address_client(peer[0])).serve()
        except asyncio.CancelledError:
            return  # the server stops
        finally:
            del self._connections[task]


async def _announced(name: str, host: str, port: int) -> _Stoppable:
    try:
        from speechtune_server.wyoming_door.announcement import Announcement
    except ImportError as error:
        raise ConfigError("wyoming_zeroconf: needs zeroconf; pip install 'speechtune[wyoming]'") from error
    announcement = Announcement(name, host, port)
    await announcement.start()
    return announcement
