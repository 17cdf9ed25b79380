"""The listening socket and what the HTTP/2 connection below the calls allows."""

from __future__ import annotations

import logging
from typing import Any

import grpc.aio

from speechtune.errors import AddressInUseError
from speechtune_client.connection import KEEPALIVE_TIME_MS
from speechtune_server.process.config import ServerConfig
from speechtune_server.process.listening import listening_socket

_log = logging.getLogger(__name__)

_MESSAGE_OVERHEAD_BYTES = 64 * 1024
_PING_EVERY_MS = 60_000
_PING_TIMEOUT_MS = 20_000


def server_options(config: ServerConfig) -> list[tuple[str, Any]]:
    """Channel arguments of the server."""
    age = config.max_connection_age_seconds
    if config.min_ping_interval_seconds * 1000 > KEEPALIVE_TIME_MS:
        _log.warning(
            "min_ping_interval_seconds is %g, and the clients of this project ping every %g s: they will be sent away "
            "with 'too many pings'; set it to 10",
            config.min_ping_interval_seconds,
            KEEPALIVE_TIME_MS / 1000,
        )
    return [
        # Who waits longer than that in a burst is told nothing but CANCELLED; the default is 30 s.
        ("grpc.server_max_unrequested_time_in_server", 300),
        # Otherwise grpc takes in megabytes of a call before it is let in.
        ("grpc.http2.bdp_probe", 0),
        # Streams go on when their connection is old; only new calls go elsewhere.
        *([("grpc.max_connection_age_ms", int(age * 1000))] if age else []),
        # Without it a second server would share the port unnoticed, and get half of the calls.
        ("grpc.so_reuseport", 0),
        # A little more than the limit, so that what is just too large is refused in our own words.
        ("grpc.max_receive_message_length", config.max_content_bytes + _MESSAGE_OVERHEAD_BYTES),
        # Devices ping to keep a router's mapping alive, also between calls.
        ("grpc.http2.min_ping_interval_without_data_ms", int(config.min_ping_interval_seconds * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        # And the server pings, to notice a device that lost its power: else its stream would stay open for ever.
        ("grpc.keepalive_time_ms", _PING_EVERY_MS),
        ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
    ]


def bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None = None) -> str:
    """Take the port, in plaintext without `credentials`; gives HOST:PORT with the real port where 0 was asked for.

    Raises:
        AddressInUseError: it is taken.
        ConfigError: it cannot be listened on.
    """
    # Taken for a moment first: unlike grpc, which only says that it failed, the system says why.
    listening_socket(address).close()
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise AddressInUseError(f"{address}: was taken a moment ago; try again") from error
    return f"{address.rpartition(':')[0]}:{port}"
