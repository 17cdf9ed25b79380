"""A server for the routes of this door, in the event loop of whoever starts it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from speechtune_server.process.certificates import CertificateFiles
from speechtune_server.process.config import ServerConfig
from speechtune_server.process.listening import address_of, listening_socket
from speechtune_server.websocket_door.connections import BoundedWebSocket, ImpatientHttp

_MESSAGE_OVERHEAD_BYTES = 64 * 1024
_PING_EVERY_SECONDS, _PING_TIMEOUT_SECONDS = 60.0, 20.0
_CLOSE_SECONDS = 1


def uvicorn_settings(config: ServerConfig) -> dict[str, Any]:
    """Settings of `uvicorn.Config` that this door relies on, with whatever else the same application serves."""
    return {
        "http": ImpatientHttp,
        "ws": BoundedWebSocket,
        # A little more than the limit, so that what is just too large is refused in our own words.
        "ws_max_size": config.max_content_bytes + _MESSAGE_OVERHEAD_BYTES,
        # Audio does not get smaller, and few bytes could unpack to many.
        "ws_per_message_deflate": False,
        # To notice a device that lost its power: else its stream would stay open for ever.
        "ws_ping_interval": _PING_EVERY_SECONDS,
        "ws_ping_timeout": _PING_TIMEOUT_SECONDS,
        # Whoever connects could write any address into a header.
        "proxy_headers": False,
        "server_header": False,
        "log_config": None,
        "access_log": False,
    }


class WebServer:
    """One port with an application behind it.

    Args:
        app: what is served.
        config: the settings.
        files: the certificate; None: no TLS.
    """

    def __init__(self, app: ASGIApp, config: ServerConfig, files: CertificateFiles | None) -> None:
        self._app = app
        self._config = config
        self._files = files
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, address: str) -> str:
        """Listen; gives HOST:PORT with the real port.

        Raises:
            AddressInUseError, ConfigError: as `listening_socket`.
        """
        listener = listening_socket(address)
        settings = uvicorn_settings(self._config)
        if self._files is not None:
            context = renewing_context(self._files)
            settings["ssl_context_factory"] = lambda *_: context
        _quieten()
        self._server = _Server(
            uvicorn.Config(self._app, lifespan="off", timeout_graceful_shutdown=_CLOSE_SECONDS, **settings)
        )
        self._serving = asyncio.create_task(self._server.serve([listener]))
        return address_of(listener, address)

    async def stop(self) -> None:
        """Listen no longer, and close what is still open."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving


def renewing_context(files: CertificateFiles) -> ssl.SSLContext:
    """A context that takes the certificate anew for every connection."""
    first = files.current().context

    def renew(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = files.current().context

    first.sni_callback = renew  # asked whether the client names a server or not
    return first


class _Server(uvicorn.Server):
    """Signals are those of the process, which knows what to do first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _quieten() -> None:
    """What clients do wrong is told to them; whoever likes could fill the log with it."""
    logging.getLogger("uvicorn.error").addFilter(_is_not_of_clients)


def _is_not_of_clients(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Invalid HTTP request")
