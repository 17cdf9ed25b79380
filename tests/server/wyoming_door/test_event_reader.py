"""Events as they come over a connection: in pieces, too large, or not events at all."""

from __future__ import annotations

import asyncio
import json

import pytest
from wyoming.audio import AudioChunk
from wyoming.event import Event, async_write_event

from speechtune.errors import InvalidRequestError, SessionTooLongError
from speechtune_server.wyoming_door.event_reader import EventReader
from tests.support.serving import asynchronous

CHUNK = AudioChunk(rate=16_000, width=2, channels=1, audio=bytes(range(256)) * 8).event()


class Written:
    """Takes what the package writes."""

    def __init__(self):
        self.content = b""

    def write(self, content):
        self.content += content

    def writelines(self, lines):
        self.content += b"".join(lines)

    async def drain(self):
        return


async def written(*events):
    out = Written()
    for event in events:
        await async_write_event(event, out)
    return out.content


def reader_of(content):
    stream = asyncio.StreamReader(limit=64 * 1024)
    stream.feed_data(content)
    stream.feed_eof()
    return EventReader(stream)


@asynchronous
async def test_events_are_read_as_the_package_writes_them():
    events = [CHUNK, Event("detect", {"names": ["불 켜"]}), Event("describe"), CHUNK]
    reader = reader_of(await written(*events))
    assert [await reader.read(4_096) for _ in range(5)] == [*events, None]


@asynchronous
async def test_one_that_was_cancelled_anywhere_is_read_on():
    content = await written(CHUNK, CHUNK, Event("audio-stop"))
    stream = asyncio.StreamReader(limit=64 * 1024)
    reader, events = EventReader(stream), []
    for place in range(0, len(content), 37):
        stream.feed_data(content[place : place + 37])
        # As a stream that the server ends does to its reading, between any two pieces.
        reading = asyncio.create_task(reader.read(4_096))
        await asyncio.sleep(0)
        reading.cancel()
        try:
            events.append(await reading)
        except asyncio.CancelledError:
            continue
    stream.feed_eof()
    while (event := await reader.read(4_096)) is not None:
        events.append(event)
    assert events == [CHUNK, CHUNK, Event("audio-stop")]


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        (b"{\n", InvalidRequestError, "not JSON"),
        (b"\xff\n", InvalidRequestError, "not JSON"),
        (b"[" * 60_000 + b"\n", InvalidRequestError, "not JSON"),
        (b"[]\n", InvalidRequestError, "an object"),
        (b"{}\n", InvalidRequestError, "names the event"),
        (b'{"type": "x", "data": 3}\n', InvalidRequestError, "an object"),
        (b'{"type": "x", "data_length": 3}\n[1]', InvalidRequestError, "an object"),
        (b'{"type": "x", "data_length": -1}\n', InvalidRequestError, "number of bytes"),
        (b'{"type": "x", "payload_length": true}\n', InvalidRequestError, "number of bytes"),
        (b'{"type": "x", "data_length": 65537}\n', SessionTooLongError, "65536 bytes are the limit"),
        (b'{"type": "x", "payload_length": 4097}\n', SessionTooLongError, "4096 bytes are the limit"),
        (b"x" * 70_000 + b"\n", InvalidRequestError, "65536 bytes"),
    ],
)
@asynchronous
async def test_what_is_no_event_is_refused_before_more_of_it_is_taken(line, error, hint):
    with pytest.raises(error, match=hint):
        await reader_of(line).read(4_096)


@pytest.mark.parametrize("length", [1, 20, 200])
@asynchronous
async def test_a_connection_that_ends_inside_an_event_has_ended(length):
    assert await reader_of((await written(CHUNK))[:length]).read(4_096) is None


def test_what_the_package_writes_has_the_form_that_is_read():
    head = json.loads(asyncio.run(written(CHUNK)).partition(b"\n")[0])
    assert {"type", "data_length", "payload_length"} <= set(head)
