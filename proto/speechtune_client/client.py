"""The blocking client.

with CommandClient("127.0.0.1:50551") as client:
client.wait_ready()
for event in client.stream(microphone_chunks(), sample_rate_hertz=16_000):
if isinstance(event, Detection):
print(event.label, event.confidence)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import grpc

from speechtune_client import messages
from speechtune_client.connection import CHANNEL_OPTIONS, DEFAULT_ADDRESS, READY_POLL_SECONDS, Tls, call_metadata
from speechtune_client.errors import UnavailableError, translated
from speechtune_client.events import ModelInfo, Recognition, ServerInfo, StreamEvent
from speechtune_client.listening import listen
from speechtune_client.pacing import Pace
from speechtune_client.replay import DEFAULT_REPLAY_SECONDS, Replay
from speechtune_client.settings import CommandRule, Order, StreamSettings
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_client.v1 import model_admin_pb2 as admin_pb
from speechtune_client.v1 import model_admin_pb2_grpc as admin_grpc

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

LOAD_SECONDS = 600.0
"""For the server to load a model."""


class CommandClient:
    """Talks to one server; may be shared by threads.

    Args:
        address: HOST:PORT.
        timeout: seconds that a call other than `stream` may take.
        tls: how the connection is encrypted; None: not at all.
        api_key: NAME.SECRET, where the server asks for one.
        allow_plaintext: send the key without encryption beyond this machine too.

    Raises:
        ValueError: the key would be readable for everybody on the way.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: float = 30.0,
        tls: Tls | None = None,
        api_key: str = "",
        allow_plaintext: bool = False,
    ) -> None:
        self._timeout = timeout
        self._metadata = call_metadata(address, tls, api_key, allow_plaintext)
        self._channel = (
            grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
            if tls is None
            else grpc.secure_channel(address, tls.credentials(), options=CHANNEL_OPTIONS)
        )
        self._stub = pb_grpc.CommandRecognitionStub(self._channel)
        self._admin = admin_grpc.ModelAdminStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what is going on and hang up."""
        self._channel.close()

    def wait_ready(self, timeout: float = 30.0) -> ServerInfo:
        """Wait until the server takes calls.

        Raises:
            UnavailableError: it does not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            remaining = max(deadline - time.monotonic(), READY_POLL_SECONDS)
            try:
                return messages.server_info(
                    self._stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=remaining, metadata=self._metadata)
                )
            except grpc.RpcError as error:
                failure = translated(error)
                if not isinstance(failure, UnavailableError) or time.monotonic() >= deadline:
                    raise failure from error
            time.sleep(READY_POLL_SECONDS)

    def server_info(self) -> ServerInfo:
        """What the server takes.

        Raises:
            ClientError: the call failed.
        """
        try:
            return messages.server_info(
                self._stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=self._timeout, metadata=self._metadata)
            )
        except grpc.RpcError as error:
            raise translated(error) from error

    def list_models(self) -> tuple[ModelInfo, ...]:
        """The models that can be asked for.

        Raises:
            ClientError: the call failed.
        """
        try:
            response = self._stub.ListModels(pb.ListModelsRequest(), timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise translated(error) from error
        return tuple(messages.model_info(model) for model in response.models)

    def load_model(self, folder: str, name: str = "", digest: str = "") -> str:
        """Have the server serve a checkpoint; needs a key that may administer models.

        Args:
            folder: of the checkpoint, relative to the server's model folder.
            name: to serve it under, in place of the model of that name; "": the folder's own.
            digest: it must have; "": any.

        Returns:
            The digest of the model that is served now.

        Raises:
            ClientError: it cannot be used, or the call failed; what was served before still is.
        """
        request = admin_pb.LoadModelRequest(folder=folder, name=name, digest=digest)
        try:
            response = self._admin.LoadModel(request, timeout=LOAD_SECONDS, metadata=self._metadata)
        except grpc.RpcError as error:
            raise translated(error) from error
        loaded: str = response.digest
        return loaded

    def recognize(
        self,
        content: bytes,
        encoding: str = "",
        *,
        sample_rate_hertz: int = 0,
        channels: int = 0,
        model: str = "",
        commands: Iterable[str | CommandRule] = (),
    ) -> Recognition:
        """The commands in one whole clip.

        Args:
            content: a WAV, FLAC or Ogg Opus file, or raw audio.
            encoding: of the content, as for `stream`; "": its first bytes tell what file it is.
            sample_rate_hertz, channels: of raw audio; a file carries its own.
            model: "" is the server's default, "name" one by name, "name@digest" that very checkpoint.
            commands: keywords to report, as words or rules; none: all of the model's.

        Raises:
            ValueError: an encoding that the contract does not have.
            ClientError: the call failed.
        """
        request = messages.recognize_request(
            content,
            encoding,
            sample_rate_hertz=sample_rate_hertz,
            channels=channels,
            model=model,
            commands=commands,
        )
        try:
            return messages.recognition(self._stub.Recognize(request, timeout=self._timeout, metadata=self._metadata))
        except grpc.RpcError as error:
            raise translated(error) from error

    def stream(self, chunks: Iterable[bytes | Order], **settings: Unpack[StreamSettings]) -> Iterator[StreamEvent]:
        """The events of live audio, as they come.

        `chunks` is iterated in a thread of its own, no faster than the server listens; it may block, as a microphone
        does. Its end half-closes the stream, and what it raises is raised here. Leaving the loop cancels the stream.

        Args:
            chunks: audio, cut anywhere, and orders (`Flush`, `Reset`, `UpdateCommands`) between it.
            settings: see `StreamSettings`.

        Raises:
            ValueError: an encoding that the contract does not have.
            ClientError: the call failed.
        """
        return self._events(_Sender(messages.stream_config(settings), chunks, Pace(settings)))

    def listen(
        self,
        chunks: Iterable[bytes | Order],
        *,
        replay_seconds: float = DEFAULT_REPLAY_SECONDS,
        give_up_after: float | None = None,
        live: bool = True,
        **settings: Unpack[StreamSettings],
    ) -> Iterator[StreamEvent]:
        """The events of live audio for as long as it lasts, over as many connections as it takes.

        When the connection breaks or the server drains, it connects again: after a quarter of a second at most, then
        after longer and longer, up to ten. What was not decided yet is sent again, from the beginning of open speech
        and a second or more before. Every event comes once, and offsets count from the first byte of all.
        `Disconnected` and `Resumed` tell of breaks. During one `chunks` goes on being taken; the last `replay_seconds`
        are kept, older audio is lost, and `Resumed.lost` says how much. The first connection that succeeds gives
        `Started`; what was lost before it lies before its `resume_offset`.

        A server that was built before listening states is asked again without them. After a break, offsets of what is
        heard again may then differ a little.

        Args:
            chunks: audio, cut anywhere, and orders between it; iterated in a thread of its own.
            replay_seconds: audio kept at most, at least 4; 32 kB a second of LINEAR16 at 16 kHz.
            give_up_after: seconds without a connection after which the last error is raised; None: never.
            live: the chunks come at their own pace and do not wait, as from a microphone; False: they do, as from a
                file, and none is ever lost.
            settings: see `StreamSettings`.

        Raises:
            ValueError: an encoding that the contract does not have, or too small a `replay_seconds`.
            ClientError: the server refuses what trying again would not change, or it was away for too long.
        """
        messages.stream_config(settings)  # what is wrong with them is told now, and not by a server that comes back
        return listen(self, chunks, Replay(settings, replay_seconds), give_up_after, live)

    def _events(self, sender: _Sender) -> Iterator[StreamEvent]:
        call = self._stub.StreamingRecognize(sender.requests(), metadata=self._metadata)
        # The connection may break while the sender waits for its turn.
        call.add_callback(sender.stop)
        try:
            for response in call:
                sender.check()
                event = messages.stream_event(response)
                if event is not None and sender.heard(event):
                    yield event
            sender.check()
        except grpc.RpcError as error:
            raise translated(error) from error
        finally:
            sender.stop()
            call.cancel()  # type: ignore[no-untyped-call]  # the stubs leave it unannotated


class _Sender:
    """The sending side of one stream; `requests` runs in grpc's thread."""

    def __init__(self, config: pb.StreamingConfig, chunks: Iterable[bytes | Order], pace: Pace) -> None:
        self._failure: BaseException | None = None
        self._config = config
        self._chunks = chunks
        self._pace = pace
        self._stopped = False
        self._news = threading.Condition()

    def requests(self) -> Iterator[pb.StreamingRecognizeRequest]:
        yield pb.StreamingRecognizeRequest(config=self._config)
        try:
            for chunk in self._chunks:
                if not isinstance(chunk, bytes):
                    yield messages.order_request(chunk)
                    continue
                for piece in self._pace.pieces(chunk):
                    if not self._wait_turn(len(piece)):
                        return
                    yield pb.StreamingRecognizeRequest(audio=pb.AudioChunk(content=piece))
        except GeneratorExit:
            raise
        except BaseException as error:
            # grpc would only log it, or lose its thread: half-close, and keep it for the thread that reads the events.
            self._failure = error

    def check(self) -> None:
        """Raise what the chunks raised."""
        if self._failure is not None:
            raise self._failure

    def heard(self, event: StreamEvent) -> bool:
        with self._news:
            wanted = self._pace.heard(event)
            self._news.notify_all()
            return wanted

    def stop(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def _wait_turn(self, num_bytes: int) -> bool:
        with self._news:
            self._news.wait_for(lambda: self._stopped or self._pace.may_send(num_bytes))
            self._pace.sent(num_bytes)
            return not self._stopped
