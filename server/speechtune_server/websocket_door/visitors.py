"""Which pages may connect, and by which name of ours.

A browser lets every page open a WebSocket to every address, and says in `Origin` whose page it is. In `Host` it says by
which name it came: a foreign page may let a name of its own point at our address, and then is "of the same host". An IP
address cannot be had like that, and under TLS the certificate stands for the name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from speechtune.errors import NotPermittedError
from speechtune_server.process.config import ServerConfig


@dataclass(frozen=True)
class Visitors:
    """Who may connect.

    Attributes:
        origins: whose pages may, beside those of the host itself; "*": everybody's.
        hosts: names that are ours, beside IP addresses and localhost.
        any_host: whether every name is ours, as TLS makes sure of.
    """

    origins: Collection[str] = ()
    hosts: Collection[str] = ()
    any_host: bool = False

    @staticmethod
    def of(config: ServerConfig) -> Visitors:
        """As the settings say."""
        hosts = tuple(name.lower() for name in config.websocket_hosts)
        return Visitors(config.websocket_origins, hosts, any_host=config.certificate is not None)

    def check(self, host: str, origin: str | None) -> None:
        """Let a connection through.

        Args:
            host: the header, with or without a port.
            origin: the header; None: there is none, as where no browser connects.

        Raises:
            NotPermittedError: the page, or the name, is not among those that may.
        """
        name = _host_of(f"//{host}")
        if not name or not (self.any_host or name in self.hosts or _is_address(name)):
            raise NotPermittedError(
                f"the host {host!r} is not a name of this server; use its IP address, or add it to websocket_hosts"
            )
        if origin is None or "*" in self.origins or origin.lower() in self.origins or _host_of(origin) == name:
            return
        raise NotPermittedError(f"pages of {origin!r} may not connect; add it to websocket_origins if they should")


def _host_of(url: str) -> str:
    """The host of an address, lower case; "" where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
