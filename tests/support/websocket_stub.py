"""A client of the WebSocket door that looks like the stub of gRPC, so that one test runs against both doors.

Requests and responses are protobuf, as the tests have them; what goes over the connection is their JSON, and audio in
binary. An error comes as gRPC's own, made from the message and the close code.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import grpc.aio
import websockets
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from speechtune_client.v1 import command_recognition_pb2 as pb

END = pb.StreamingRecognizeRequest(control=pb.Control(end=pb.End()))
SUBPROTOCOL = Subprotocol("speechtune.v1")
CLOSE_CODES = {
    "INVALID_ARGUMENT": {1007},
    "NOT_FOUND": {1008},
    "FAILED_PRECONDITION": {1008},
    "UNAUTHENTICATED": {1008},
    "PERMISSION_DENIED": {1008},
    "RESOURCE_EXHAUSTED": {1009, 1013},
    "UNAVAILABLE": {1012},
    "INTERNAL": {1011},
}

_BARE_CODES = {1009: grpc.StatusCode.RESOURCE_EXHAUSTED, 1012: grpc.StatusCode.UNAVAILABLE}
"""What a close means before which nothing was said."""


def text_of(request: pb.StreamingRecognizeRequest) -> str:
    """A request as the JSON of protobuf."""
    return json_format.MessageToJson(request, indent=None)


class WebSocketStub:
    """Opens a connection for each stream."""

    def __init__(self, address: str) -> None:
        self.url = f"ws://{address}/v1/stream"
        self._calls: list[WebSocketCall] = []

    def close(self) -> None:
        """Break what is still open, as the end of a channel does."""
        for call in self._calls:
            call.cancel()

    def StreamingRecognize(
        self,
        requests: Iterable[pb.StreamingRecognizeRequest] | None = None,
        metadata: Iterable[tuple[str, str]] = (),
        timeout: float | None = None,
    ) -> WebSocketCall:
        """A stream; with `requests`, they are sent and the stream is ended."""
        self._calls.append(WebSocketCall(self.url, requests, dict(metadata), timeout))
        return self._calls[-1]


class WebSocketCall:
    """One stream, with the methods of gRPC's call that tests use."""

    def __init__(
        self,
        url: str,
        requests: Iterable[pb.StreamingRecognizeRequest] | None,
        headers: dict[str, str],
        timeout: float | None,
    ) -> None:
        self.close_code: int | None = None
        self.connection: ClientConnection | None = None
        self._url, self._headers = url, headers
        self._opening = asyncio.Lock()
        self._error: grpc.aio.AioRpcError | None = None
        self._is_done, self._has_ended = False, False
        self._sending = asyncio.create_task(self._send_all(requests)) if requests is not None else None
        if timeout is not None:
            asyncio.get_running_loop().call_later(timeout, self.cancel)

    async def write(self, request: pb.StreamingRecognizeRequest) -> None:
        """Send one message; audio alone goes as it is."""
        connection = await self._opened()
        is_audio = request.WhichOneof("payload") == "audio"
        try:
            await connection.send(request.audio.content if is_audio else text_of(request))
        except websockets.ConnectionClosed as error:
            # As gRPC does: why it ended is told to who reads.
            raise asyncio.InvalidStateError from error

    async def done_writing(self) -> None:
        """End the stream."""
        await self.write(END)

    async def read(self) -> Any:
        """The next response; EOF at the end.

        Raises:
            AioRpcError: the stream was refused.
        """
        if self._error is not None:
            raise self._error
        if self._is_done:
            return grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs lack it
        connection = await self._opened()
        try:
            text = await connection.recv()
        except websockets.ConnectionClosed:
            self._is_done, self.close_code = True, connection.close_code
            if self._error is None and not self._has_ended:
                code = _BARE_CODES.get(connection.close_code or 0, grpc.StatusCode.UNKNOWN)
                self._error = _error_of(code, f"closed with {connection.close_code}: {connection.close_reason}")
            if self._error is not None:
                raise self._error from None
            return grpc.aio.EOF  # type: ignore[attr-defined]
        except asyncio.CancelledError:
            connection.transport.abort()
            raise
        content = json.loads(text)
        if "error" in content:
            await self._close_after(content["error"])
        self._has_ended = "ended" in content
        return json_format.ParseDict(content, pb.StreamingRecognizeResponse())

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (response := await self.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]
            yield response

    async def code(self) -> grpc.StatusCode:
        """How it ended."""
        try:
            async for _ in self:
                pass
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    async def details(self) -> str:
        """What the server said of it."""
        await self.code()
        return (self._error.details() or "") if self._error is not None else ""

    async def initial_metadata(self) -> Iterable[tuple[str, str]]:
        """Headers of the handshake."""
        connection = await self._opened()
        assert connection.response is not None
        return list(connection.response.headers.raw_items())

    def cancel(self) -> None:
        """Break the connection, as a device does that loses its network; one that has ended stays as it is."""
        if self._is_done:
            return
        self._is_done = True
        self._error = _error_of(grpc.StatusCode.CANCELLED, "cancelled here")
        if self.connection is not None:
            self.connection.transport.abort()

    async def _opened(self) -> ClientConnection:
        async with self._opening:
            if self.connection is None:
                self.connection = await connect(
                    self._url,
                    subprotocols=[SUBPROTOCOL],
                    additional_headers=self._headers,
                    compression=None,
                    max_size=None,
                    ping_interval=None,
                )
        return self.connection

    async def _send_all(self, requests: Iterable[pb.StreamingRecognizeRequest]) -> None:
        try:
            for request in requests:
                await self.write(request)
            await self.done_writing()
        except asyncio.InvalidStateError:
            return

    async def _close_after(self, error: dict[str, Any]) -> None:
        """Read to the close, and raise what was said before it."""
        assert self.connection is not None
        await self.connection.wait_closed()
        self._is_done, self.close_code = True, self.connection.close_code
        assert self.close_code in CLOSE_CODES[error["code"]], (self.close_code, error)
        self._error = _error_of(grpc.StatusCode[error["code"]], error["message"], error["details"])
        raise self._error


def _error_of(code: grpc.StatusCode, message: str, details: Iterable[dict[str, Any]] = ()) -> grpc.aio.AioRpcError:
    kinds = {kind.DESCRIPTOR.name: kind for kind in (error_details_pb2.BadRequest, error_details_pb2.RetryInfo)}
    kinds["RequestInfo"] = error_details_pb2.RequestInfo
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        fields = dict(detail)
        kind = kinds[fields.pop("@type").rpartition(".")[2]]
        status.details.add().Pack(json_format.ParseDict(fields, kind()))
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, details=message)
