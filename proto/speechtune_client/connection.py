"""The channel's settings and its security, shared by both clients.

Keepalive is a pair: the client pings every `KEEPALIVE_TIME_MS`, also between calls, so that routers keep the connection
and a dead one is noticed within `KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS`; the server lets pings come as often as its
`min_ping_interval` (10 s unless configured), which must stay below `KEEPALIVE_TIME_MS`, or it closes the connection.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

import grpc

DEFAULT_ADDRESS = "127.0.0.1:50551"
KEEPALIVE_TIME_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

READY_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Tls:
    """An encrypted connection; everything as PEM.

    Attributes:
        root_certificates: the authorities that may vouch for the server; None: those of the system.
        certificate_chain, private_key: the client's own, where the server asks for it (mutual TLS).
    """

    root_certificates: bytes | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel.

        Raises:
            ValueError: a chain without its key, or the other way round.
        """
        if (self.certificate_chain is None) != (self.private_key is None):
            raise ValueError("tls: give certificate_chain and private_key, or neither")
        return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate_chain)


def call_metadata(address: str, tls: Tls | None, api_key: str, allow_plaintext: bool) -> tuple[tuple[str, str], ...]:
    """What goes with every call.

    Raises:
        ValueError: the key would be readable for everybody on the way.
    """
    if not api_key:
        return ()
    if tls is None and not allow_plaintext and not _is_loopback(address):
        raise ValueError(
            f"api_key: the connection to {address} is not encrypted; give tls=Tls(...), "
            "or allow_plaintext=True where the network is trusted"
        )
    return (("authorization", f"Bearer {api_key}"),)


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return address.startswith("unix:")
