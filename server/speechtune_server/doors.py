"""The doors beside gRPC, each open where the settings give it an address."""

from __future__ import annotations

import logging
from typing import Protocol

from speechtune.errors import ConfigError
from speechtune_server.live.service import Service
from speechtune_server.process.calls import Calls
from speechtune_server.process.certificates import CertificateFiles

_log = logging.getLogger(__name__)


class Door(Protocol):
    """What listens on a port of its own."""

    async def start(self, address: str) -> str:
        """Listen; gives the address, with its real port."""

    async def stop(self) -> None:
        """Listen no longer; what is still open is cut off."""


class Doors:
    """All of them, from `start` to `stop`.

    Args:
        service: what they serve.
        calls: what stands round every call.

    Attributes:
        addresses: where each listens, by its name, once it does.
    """

    def __init__(self, service: Service, calls: Calls) -> None:
        self.addresses: dict[str, str] = {}
        self._service = service
        self._calls = calls
        self._open: list[Door] = []

    async def start(self, files: CertificateFiles | None) -> None:
        """Open those that the settings ask for.

        Args:
            files: the certificate; None: no TLS.

        Raises:
            AddressInUseError: a port is taken.
            ConfigError: an address cannot be listened on, or a package is missing.
        """
        config = self._service.config
        if config.websocket_address is not None:
            await self._start("websocket", self._websocket_door(files), config.websocket_address)
        if config.wyoming_uri is not None:
            await self._start("wyoming", self._wyoming_door(), config.wyoming_uri)

    async def stop(self) -> None:
        """Close them."""
        for door in self._open:
            await door.stop()

    async def _start(self, name: str, door: Door, address: str) -> None:
        self._open.append(door)  # also what fails half way has to be closed
        self.addresses[name] = await door.start(address)
        _log.info("%s: listening on %s", name, self.addresses[name])

    def _websocket_door(self, files: CertificateFiles | None) -> Door:
        try:
            from starlette.applications import Starlette

            from speechtune_server.websocket_door.routes import websocket_routes
            from speechtune_server.websocket_door.server import WebServer
        except ImportError as error:
            raise ConfigError(f"websocket_address: needs {error.name}; pip install 'speechtune[web]'") from error
        application = Starlette(routes=websocket_routes(self._service, self._calls))
        return WebServer(application, self._service.config, files)

    def _wyoming_door(self) -> Door:
        try:
            from speechtune_server.wyoming_door.server import WyomingServer
        except ImportError as error:
            raise ConfigError(f"wyoming_uri: needs {error.name}; pip install 'speechtune[wyoming]'") from error
        return WyomingServer(self._service, self._calls)
