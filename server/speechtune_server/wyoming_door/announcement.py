"""The door in the local network's list of services (mDNS), where Home Assistant finds it by itself."""

from __future__ import annotations

import socket

from zeroconf import NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from speechtune.errors import ConfigError

SERVICE = "_wyoming._tcp.local."
_MULTICAST = ("224.0.0.251", 5353)
_EVERYWHERE = ("0.0.0.0", "::")


class Announcement:
    """Told from `start` to `stop`.

    Args:
        name: that people see.
        host: address that the door listens on; of all interfaces, that of the way out is told.
        port: of the door.
        interfaces: IP addresses to tell it on; None: on all.
    """

    def __init__(self, name: str, host: str, port: int, interfaces: list[str] | None = None) -> None:
        self._name = name
        self._host = host
        self._port = port
        self._interfaces = interfaces
        self._zeroconf: AsyncZeroconf | None = None

    async def start(self) -> None:
        """Tell it.

        Raises:
            ConfigError: the network cannot be told, or somebody else has the name.
        """
        try:
            address = way_out() if self._host in _EVERYWHERE else self._host
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            info = AsyncServiceInfo(
                SERVICE, f"{self._name}.{SERVICE}", addresses=[socket.inet_pton(family, address)], port=self._port
            )
            self._zeroconf = AsyncZeroconf(interfaces=self._interfaces) if self._interfaces else AsyncZeroconf()
            await (await self._zeroconf.async_register_service(info))
        except NonUniqueNameException as error:
            await self.stop()
            raise ConfigError(
                f"wyoming_zeroconf: another service is called {self._name!r}; give another name"
            ) from error
        except OSError as error:
            await self.stop()
            raise ConfigError(f"wyoming_zeroconf: the network cannot be told ({error.strerror or error})") from error

    async def stop(self) -> None:
        """Take it back."""
        if self._zeroconf is not None:
            await self._zeroconf.async_unregister_all_services()
            await self._zeroconf.async_close()
            self._zeroconf = None


def way_out() -> str:
    """The IP address of this machine in the local network; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_MULTICAST)
        address: str = probe.getsockname()[0]
    return address
