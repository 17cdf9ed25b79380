"""A new client with a server that was built before listening states, and an old client with this server.

Nor did servers of that time tell by the first bytes of a clip what file it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory

from speechtune import errors
from speechtune_client import (
    AsyncCommandClient,
    CommandClient,
    Detection,
    Disconnected,
    Ended,
    Resumed,
    Started,
    file_forms,
)
from speechtune_client.errors import InvalidRequestError, UnavailableError
from speechtune_client.events import Heartbeat, StreamEvent
from speechtune_client.listening import listen
from speechtune_client.replay import Replay
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.decoding.forms import NUM_HEAD_BYTES, READERS, FileEncoding, encoding_of
from speechtune_server.wire import requests as wire
from tests.support.files import in_form
from tests.support.serving import COMMANDS, COMMANDS_CONTENT, running_server, server_in_thread

CHUNKS = [COMMANDS_CONTENT[start : start + 3_200] for start in range(0, len(COMMANDS_CONTENT), 3_200)]
NEW_FIELDS = {"EventSelection": "listening_states", "StreamingConfig": "resume_state"}


def old_request_class() -> Any:
    """The messages of a stream as they were before listening states."""
    file = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    for message in file.message_type:
        kept = [field for field in message.field if field.name != NEW_FIELDS.get(message.name)]
        del message.field[:]
        message.field.extend(kept)
    pool = descriptor_pool.DescriptorPool()
    duration = descriptor_pb2.FileDescriptorProto()
    duration_pb2.DESCRIPTOR.CopyToProto(duration)
    pool.Add(duration)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("speechtune.v1.StreamingRecognizeRequest"))


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Servers read requests as an old one does, while `is_old` says so; notes each request that was refused."""
    old_request, refuse = old_request_class(), wire.refuse_unknown_fields
    said: dict[str, Any] = {"is_old": True, "refused": []}

    def refuse_as_an_old_server(message: Any, where: str) -> None:
        if said["is_old"] and isinstance(message, pb.StreamingRecognizeRequest):
            try:
                refuse(old_request.FromString(message.SerializeToString()), where)
            except Exception as error:
                said["refused"].append(str(error))
                raise
        refuse(message, where)

    monkeypatch.setattr(wire, "refuse_unknown_fields", refuse_as_an_old_server)
    return said


def labels(events: list[StreamEvent]) -> list[str]:
    return [event.label for event in events if isinstance(event, Detection)]


def test_listen_goes_on_without_what_an_old_server_does_not_know(old: dict[str, Any]) -> None:
    with server_in_thread() as server, CommandClient(server.address) as client:
        events = list(client.listen(CHUNKS, live=False))
    assert labels(events) == ["low", "high"]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    assert not [event for event in events if isinstance(event, Disconnected | Resumed)]
    (refused,) = old["refused"]
    assert "config.events" in refused
    assert "is not known to this server" in refused


def test_the_async_client_does_so_too(old: dict[str, Any]) -> None:
    async def heard() -> list[StreamEvent]:
        async with running_server() as server, AsyncCommandClient(server.address) as client:
            return [event async for event in client.listen(CHUNKS, live=False)]

    events = asyncio.run(heard())
    assert labels(events) == ["low", "high"]
    assert not [event for event in events if isinstance(event, Disconnected | Resumed)]
    assert len(old["refused"]) == 1


class Breaking:
    """A client whose first connections break once `low` is heard, after which `then` is called."""

    def __init__(self, client: CommandClient, old: dict[str, Any], becomes_old: bool) -> None:
        self._client, self._old, self._becomes_old = client, old, becomes_old
        self._is_broken = False

    def stream(self, chunks: Any, **settings: Any) -> Iterator[StreamEvent]:
        for event in self._client.stream(chunks, **settings):
            yield event
            is_due = isinstance(event, Heartbeat) and (event.listening_state or not self._becomes_old)
            if not self._is_broken and is_due:
                self._is_broken, self._old["is_old"] = True, self._becomes_old
                raise UnavailableError("UNAVAILABLE", "it broke")


@pytest.mark.parametrize("becomes_old", [True, False])
def test_a_server_that_is_replaced_by_an_older_or_a_newer_one_loses_nothing(
    old: dict[str, Any], becomes_old: bool
) -> None:
    old["is_old"] = not becomes_old
    with server_in_thread() as server, CommandClient(server.address) as client:
        flaky: Any = Breaking(client, old, becomes_old)
        events = list(listen(flaky, CHUNKS, Replay({}), None, live=False, sleep=lambda _: None))
    assert labels(events) == ["low", "high"]
    assert len([event for event in events if isinstance(event, Resumed)]) == 1
    assert len(old["refused"]) == 1


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG_OPUS"])
def test_a_clip_needs_no_encoding_for_an_old_server_either(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    accept = wire.audio_form

    def refuse_as_an_old_server(audio: pb.AudioSpec, *rest: Any) -> Any:
        if audio.encoding == pb.AUDIO_ENCODING_UNSPECIFIED:
            raise errors.InvalidRequestError("audio.encoding", "AUDIO_ENCODING_UNSPECIFIED is not taken here")
        return accept(audio, *rest)

    monkeypatch.setattr(wire, "audio_form", refuse_as_an_old_server)
    with server_in_thread() as server, CommandClient(server.address) as client:
        found = client.recognize(in_form(form, COMMANDS))
        assert client.recognize(in_form(form, COMMANDS), form) == found
        for content in (b"no audio at all", b"", b"RIFF....AVI "):
            with pytest.raises(InvalidRequestError, match="AUDIO_ENCODING_UNSPECIFIED"):
                client.recognize(content)
    assert [one.label for one in found.detections] == ["low", "high"]


@pytest.mark.parametrize("form", [form for form in READERS if READERS[form].is_there])
def test_client_and_server_tell_the_same_by_the_first_bytes_of_a_file(form: FileEncoding) -> None:
    content = in_form(str(form), COMMANDS)
    assert file_forms.encoding_of(content) == str(encoding_of(content[:NUM_HEAD_BYTES])) == str(form)
    for number in range(NUM_HEAD_BYTES):
        with pytest.raises(errors.InvalidRequestError):
            encoding_of(content[:number][::-1])
        assert not file_forms.encoding_of(content[:number][::-1])


def test_what_an_old_server_refuses_for_another_reason_is_still_refused(old: dict[str, Any]) -> None:
    with (
        server_in_thread() as server,
        CommandClient(server.address) as client,
        pytest.raises(InvalidRequestError, match="left"),
    ):
        list(client.listen(CHUNKS, commands=["left"], live=False))


def test_an_old_client_is_served_and_told_nothing_that_it_does_not_know() -> None:
    with server_in_thread() as server, CommandClient(server.address) as client:
        events = list(client.stream(CHUNKS, heartbeat_interval_ms=100))
    assert labels(events) == ["low", "high"]
    assert not any(event.listening_state for event in events if isinstance(event, Heartbeat))
