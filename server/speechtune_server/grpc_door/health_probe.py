"""`python -m speechtune_server.grpc_door.health_probe [ADDRESS]`: exit 0 if the server takes calls, else 1.

Asks grpc.health.v1, as `grpc_health_probe` does. With `--config` the address and the certificate are the server's own;
the latter is also shown as the client's, where one is asked for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from speechtune.errors import ConfigError
from speechtune_server.process.config import DEFAULT_ADDRESS, host_and_port, load_server_config

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def probe(
    address: str,
    authorities: bytes | None,
    own: tuple[bytes, bytes] | None = None,
    name: str | None = None,
    service: str = "",
    seconds: float = 2.0,
) -> str:
    """What the server says of `service` ("": all of it): SERVING, NOT_SERVING or UNKNOWN; or the status of the failure.

    Args:
        address: HOST:PORT.
        authorities: PEM of those who may vouch for the server; None: no TLS.
        own: certificate chain and private key to show, as PEM; None: none.
        name: that the certificate must be for; None: the address's host.
        service: full name.
        seconds: to wait for an answer.
    """
    options = [("grpc.ssl_target_name_override", name)] if name else []
    chain, key = own or (None, None)
    channel = (
        grpc.insecure_channel(address)
        if authorities is None
        else grpc.secure_channel(address, grpc.ssl_channel_credentials(authorities, key, chain), options)
    )
    with channel:
        try:
            request = health_pb2.HealthCheckRequest(service=service)
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=seconds)
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, print the answer, return the exit code."""
    parser = argparse.ArgumentParser(prog="speechtune_server.grpc_door.health_probe", description=__doc__)
    parser.add_argument("address", nargs="?", default=DEFAULT_ADDRESS)
    parser.add_argument("--config", type=Path, help="the server's settings, for its address and certificate")
    parser.add_argument("--authorities", type=Path, help="PEM file of those who may vouch for the server")
    parser.add_argument("--name", help="name that the certificate must be for, where it is not the address's host")
    parser.add_argument("--service", default="", help="full name of a service; otherwise the whole server")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds to wait")
    arguments = parser.parse_args(argv)
    address, authorities, own = arguments.address, arguments.authorities, None
    try:
        if arguments.config is not None:
            config = load_server_config(arguments.config, {})
            host, port = host_and_port(config.address)
            host = _EVERYWHERE.get(host, host)
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            authorities = authorities or config.certificate
            if config.client_authorities and config.certificate and config.private_key:
                own = (config.certificate.read_bytes(), config.private_key.read_bytes())
        content = authorities.read_bytes() if authorities else None
    except (ConfigError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    status = probe(address, content, own, arguments.name, arguments.service, arguments.timeout)
    print(status)
    return 0 if status == "SERVING" else 1


if __name__ == "__main__":
    raise SystemExit(main())
