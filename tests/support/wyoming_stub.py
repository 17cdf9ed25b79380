"""A client of the Wyoming door that looks like the stub of gRPC, for the tests of what holds at every door.

It says what Wyoming has words for: the keywords of a config, audio and its end. `started` stands for the answer to a
ping that is sent after audio-start, `ended` for one that is sent after audio-stop. The connection is the package's own
client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import grpc.aio
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from speechtune_client.v1 import command_recognition_pb2 as pb

_BEGUN, _DONE = "begun", "done"
_EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs lack it


class WyomingStub:
    """Opens a connection for each stream."""

    def __init__(self, uri: str) -> None:
        host, _, port = uri.removeprefix("tcp://").rpartition(":")
        self._address = (host, int(port))
        self._calls: list[WyomingCall] = []

    def close(self) -> None:
        """Break what is still open, as the end of a channel does."""
        for call in self._calls:
            call.cancel()
            call.abort()

    def StreamingRecognize(self, requests: Iterable[pb.StreamingRecognizeRequest] | None = None) -> WyomingCall:
        """A stream; with `requests`, they are sent and the stream is ended."""
        self._calls.append(WyomingCall(self._address, requests))
        return self._calls[-1]


class WyomingCall:
    """One stream, with the methods of gRPC's call that tests use."""

    def __init__(self, address: tuple[str, int], requests: Iterable[pb.StreamingRecognizeRequest] | None) -> None:
        self._client = AsyncTcpClient(*address)
        self._opening = asyncio.Lock()
        self._is_open, self._is_done = False, False
        self._error: grpc.aio.AioRpcError | None = None
        self._form = {"rate": 16_000, "width": 2, "channels": 1}
        self._sending = asyncio.create_task(self._send_all(requests)) if requests is not None else None

    async def write(self, request: pb.StreamingRecognizeRequest) -> None:
        """Send one message."""
        if request.HasField("config"):
            names = [rule.label for rule in request.config.commands]
            await self._send(Detect(names=names or None), AudioStart(**self._form), Ping(text=_BEGUN))
        else:
            await self._send(AudioChunk(**self._form, audio=request.audio.content))

    async def done_writing(self) -> None:
        """End the stream."""
        await self._send(AudioStop(), Ping(text=_DONE))

    async def read(self) -> Any:
        """The next response; EOF at the end.

        Raises:
            AioRpcError: the stream was refused.
        """
        while not self._is_done:
            await self._open()
            try:
                event = await self._client.read_event()
            except (ConnectionError, EOFError):
                event = None
            if self._error is None and event is None:
                self._error = _error_of("UNAVAILABLE", "the connection ended")
            if event is None:
                break
            if Error.is_type(event.type):
                self._error = _error_of(event.data["code"], event.data["text"])
                break
            if Detection.is_type(event.type):
                return pb.StreamingRecognizeResponse(detection=pb.Detection(label=event.data["name"]))
            if Pong.is_type(event.type) and event.data["text"] == _BEGUN:
                return pb.StreamingRecognizeResponse(started=pb.Started())
            if Pong.is_type(event.type):
                self._is_done = True
                return pb.StreamingRecognizeResponse(ended=pb.Ended(reason=pb.Ended.CLIENT_FINISHED))
            assert NotDetected.is_type(event.type), event
        self._is_done = True
        if self._error is not None:
            raise self._error
        return _EOF

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (response := await self.read()) is not _EOF:
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

    def cancel(self) -> None:
        """Break the connection, as a device does that loses its network."""
        if not self._is_done:
            self._is_done = True
            self._error = _error_of("CANCELLED", "cancelled here")
            self.abort()

    def abort(self) -> None:
        """Let go of the connection, whatever became of the stream."""
        if self._client._writer is not None:
            self._client._writer.transport.abort()

    async def _open(self) -> None:
        async with self._opening:
            if not self._is_open:
                await self._client.connect()
                self._is_open = True

    async def _send(self, *events: Any) -> None:
        await self._open()
        try:
            for event in events:
                await self._client.write_event(event.event())
        except ConnectionError as error:
            # As gRPC does: why it ended is told to who reads.
            raise asyncio.InvalidStateError from error

    async def _send_all(self, requests: Iterable[pb.StreamingRecognizeRequest]) -> None:
        try:
            for request in requests:
                await self.write(request)
            await self.done_writing()
        except asyncio.InvalidStateError:
            return


def _error_of(code: str, message: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(grpc.StatusCode[code], grpc.aio.Metadata(), grpc.aio.Metadata(), details=message)
