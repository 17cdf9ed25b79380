"""grpc.health.v1: whether this server takes calls, as a whole ("") and for each service."""

from __future__ import annotations

import grpc.aio
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2, health_pb2_grpc

HEALTH_SERVICE: str = grpc_health.SERVICE_NAME


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
