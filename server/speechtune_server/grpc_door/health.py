"""grpc.health.v1: whether this server takes calls, as a whole ("") and for each service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc.aio
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2, health_pb2_grpc

HEALTH_SERVICE: str = grpc_health.SERVICE_NAME


CERTIFICATE = "speechtune.certificate"
"""As a service: SERVING while the certificate is good for another week. Calls are taken in any case; whoever watches
the server asks for it to be told in time."""

_LOOK_EVERY_SECONDS = 3_600.0


class Health:
    """Tells NOT_SERVING until told otherwise.

    Args:
        services: full names of the services that come and go with the server.
    """

    def __init__(self, services: tuple[str, ...]) -> None:
        self._servicer = grpc_health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it
        self._services = ("", *services)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Answer health checks on `server`."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        """Tell it to those who ask and to those who watch."""
        code = health_pb2.HealthCheckResponse
        for service in self._services:
            await self._servicer.set(service, code.SERVING if serving else code.NOT_SERVING)

    async def watch_certificate(self, is_good: Callable[[], bool]) -> None:
        """Tell, hour by hour until cancelled, whether the certificate is good for another week."""
        code = health_pb2.HealthCheckResponse
        while True:
            await self._servicer.set(CERTIFICATE, code.SERVING if is_good() else code.NOT_SERVING)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
