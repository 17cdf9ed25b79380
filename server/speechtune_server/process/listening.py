"""A listening socket, with the reason where there can be none."""

from __future__ import annotations

import errno
import socket

from speechtune.errors import AddressInUseError, ConfigError
from speechtune_server.process.config import host_and_port

_BACKLOG = 1_024
"""Connections that wait to be taken: a burst of devices that come back at once."""


def listening_socket(address: str) -> socket.socket:
    """A socket that listens on HOST:PORT; port 0 takes a free one.

    Raises:
        AddressInUseError: the port is taken.
        ConfigError: it cannot be listened on.
    """
    host, port = host_and_port(address)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            # As grpc does: connections of a server that has just stopped do not keep the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(target)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(
                f"{address}: already in use; stop what listens there or choose another port"
            ) from error
        reason = error.strerror or error
        raise ConfigError(f"{address}: cannot be listened on ({reason}); choose another address") from error
    return listener


def address_of(listener: socket.socket, asked: str) -> str:
    """HOST:PORT as it was asked for, with the real port of the socket."""
    return f"{asked.rpartition(':')[0]}:{listener.getsockname()[1]}"
