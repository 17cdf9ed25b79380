"""The methods that change what is served; who may call them is decided before."""
# ruff: noqa: N802, ARG002  (names and parameters are the generated servicer's)

from __future__ import annotations

from typing import Any

from speechtune_client.v1 import model_admin_pb2 as pb
from speechtune_client.v1 import model_admin_pb2_grpc as pb_grpc
from speechtune_server.engine.model_library import ModelLibrary
from speechtune_server.process.admission import Admission
from speechtune_server.wire.requests import refuse_unknown_fields

SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["ModelAdmin"].full_name


class ModelAdmin(pb_grpc.ModelAdminServicer):
    """The service."""

    def __init__(self, library: ModelLibrary, admission: Admission) -> None:
        self._library = library
        self._admission = admission

    async def LoadModel(self, request: pb.LoadModelRequest, context: Any) -> pb.LoadModelResponse:
        """Serve another model, or another checkpoint under a name."""
        await self._check(request)
        model = await self._library.load(request.folder, request.name, request.digest)
        return pb.LoadModelResponse(name=model.name, digest=model.digest)

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Any) -> pb.UnloadModelResponse:
        """Serve a model no longer."""
        await self._check(request)
        await self._library.unload(request.model)
        return pb.UnloadModelResponse()

    async def SetDefaultModel(self, request: pb.SetDefaultModelRequest, context: Any) -> pb.SetDefaultModelResponse:
        """Let "" stand for another model."""
        await self._check(request)
        model = await self._library.set_default(request.model)
        return pb.SetDefaultModelResponse(name=model.name, digest=model.digest)

    async def _check(self, request: Any) -> None:
        await self._admission.serving()
        refuse_unknown_fields(request, "")
