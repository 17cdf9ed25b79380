"""Clients that mean no good, or do not know better: malformed requests by the thousand, connections in a burst."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import websockets
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from websockets.asyncio.client import ClientConnection, connect
from wyoming.event import async_read_event

from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import model_admin_pb2 as admin_pb
from tests.support.websocket_stub import SUBPROTOCOL

_RECOGNITION, _ADMIN = "/speechtune.v1.CommandRecognition/", "/speechtune.v1.ModelAdmin/"
UNARY: dict[str, type[Message]] = {
    _RECOGNITION + "Recognize": pb.RecognizeRequest,
    _RECOGNITION + "ListModels": pb.ListModelsRequest,
    _RECOGNITION + "GetServerInfo": pb.GetServerInfoRequest,
    _ADMIN + "LoadModel": admin_pb.LoadModelRequest,
    _ADMIN + "SetDefaultModel": admin_pb.SetDefaultModelRequest,
}
STREAMING = _RECOGNITION + "StreamingRecognize"
_LOCAL = (("grpc.use_local_subchannel_pool", 1),)
_CONCURRENCY = 32
_SECONDS = 20


def random_message(cls: Any, draw: random.Random, depth: int = 0) -> Any:
    """A message whose fields are set by chance, to values that are mostly absurd."""
    message = cls()
    for field in cls.DESCRIPTOR.fields:
        if draw.random() < 0.45 or depth > 5:
            continue
        if field.message_type is not None:
            inner = [
                random_message(_class_of(field.message_type), draw, depth + 1) for _ in range(draw.choice([1, 1, 2]))
            ]
            if field.is_repeated:
                getattr(message, field.name).extend(inner)
            else:
                getattr(message, field.name).CopyFrom(inner[0])
        elif field.is_repeated:
            getattr(message, field.name).append(_random_value(field, draw))
        else:
            setattr(message, field.name, _random_value(field, draw))
    return message


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Bytes with a few of them changed, dropped, doubled or added."""
    data = bytearray(content)
    for _ in range(draw.randint(0, 4)):
        place = draw.randint(0, len(data))
        kind = draw.randrange(4)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del data[place : place + draw.randint(1, 8)]
        elif kind == 2:
            data[place:place] = draw.randbytes(draw.randint(1, 8))
        else:
            data[place:place] = data[place : place + 16]
    return bytes(data)


def malformed(cls: Any, draw: random.Random) -> bytes:
    """The bytes of a request that was never meant."""
    if draw.random() < 0.1:
        return draw.randbytes(draw.randint(0, 200))
    content: bytes = random_message(cls, draw).SerializeToString()
    return mutated(content, draw)


async def send_malformed(address: str, num_requests: int, seed: int) -> Counter[str]:
    """Send so many malformed requests, unary and in streams, side by side; gives how they ended, by status."""
    statuses: Counter[str] = Counter()
    left = iter(range(num_requests))
    async with grpc.aio.insecure_channel(address) as channel:

        async def sender(number: int) -> None:
            draw = random.Random(seed * 1_000 + number)
            for _ in left:
                statuses[await _one(channel, draw)] += 1

        await asyncio.gather(*(sender(number) for number in range(_CONCURRENCY)))
    return statuses


async def send_malformed_texts(address: str, num_streams: int, seed: int) -> Counter[str]:
    """Open so many WebSockets side by side and send what was never meant; gives how they ended, by status."""
    statuses: Counter[str] = Counter()
    left = iter(range(num_streams))

    async def sender(number: int) -> None:
        draw = random.Random(seed * 1_000 + number)
        for _ in left:
            statuses[await _one_websocket(f"ws://{address}/v1/stream", draw)] += 1

    await asyncio.gather(*(sender(number) for number in range(_CONCURRENCY)))
    return statuses


async def send_malformed_events(uri: str, num_connections: int, seed: int) -> Counter[str]:
    """Open so many connections of Wyoming side by side and send what was never meant; gives how they ended."""
    statuses: Counter[str] = Counter()
    left = iter(range(num_connections))
    host, _, port = uri.removeprefix("tcp://").rpartition(":")

    async def sender(number: int) -> None:
        draw = random.Random(seed * 1_000 + number)
        for _ in left:
            statuses[await _one_wyoming(host, int(port), draw)] += 1

    await asyncio.gather(*(sender(number) for number in range(_CONCURRENCY)))
    return statuses


async def connect_at_once(
    address: str, num_connections: int, first: bytes, audio: bytes, on_open: Callable[[], None] | None = None
) -> Counter[str]:
    """So many connections, each with a stream of these two messages, begun in the same moment; gives their statuses."""
    statuses: Counter[str] = Counter()

    async def device() -> None:
        async with grpc.aio.insecure_channel(address, options=_LOCAL) as channel:
            call: Any = channel.stream_stream(STREAMING)(_messages(first, audio), timeout=60)  # type: ignore[call-arg]
            try:
                async for _ in call:
                    if on_open is not None:
                        on_open()
            except grpc.aio.AioRpcError as error:
                statuses[error.code().name] += 1
            else:
                statuses["OK"] += 1

    await asyncio.gather(*(device() for _ in range(num_connections)))
    return statuses


async def _one(channel: grpc.aio.Channel, draw: random.Random) -> str:
    method, cls = draw.choice([*UNARY.items(), *[(STREAMING, pb.StreamingRecognizeRequest)] * 4])
    try:
        if method == STREAMING:
            contents = [malformed(cls, draw) for _ in range(draw.randint(1, 4))]
            if draw.random() < 0.5:  # get past the first message, which is the pickiest
                config = pb.StreamingConfig(audio=pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=16_000))
                contents.insert(0, pb.StreamingRecognizeRequest(config=config).SerializeToString())
            call: Any = channel.stream_stream(method)(_messages(*contents), timeout=_SECONDS)  # type: ignore[call-arg]
            async for _ in call:
                pass
        else:
            await channel.unary_unary(method)(malformed(cls, draw), timeout=_SECONDS)  # type: ignore[call-arg]
    except grpc.aio.AioRpcError as error:
        # What grpc itself says when a stream was refused between two of its writes; the server said something else.
        if error.details() == "Internal error from Core":
            return "REFUSED WHILE WRITING"
        return str(error.code().name)
    return "OK"


_CONFIG_TEXT = '{"config":{"audio":{"encoding":"LINEAR16","sampleRateHertz":16000}}}'
_ODD_TEXTS = [
    *("", "{", "null", "[]", '"x"', "1e999", "{}", '{"config":null}', '{"config":[]}', '{"config":{},"audio":{}}'),
    *(
        '{"control":{"end":{}}}',
        '{"control":{"flush":{}}}',
        '{"audio":{"content":"AAAA"}}',
        '{"audio":{"content":"*"}}',
    ),
    *('{"config":{"config":{}}}', '{"config":{"sessionId":"\\ud800"}}', '{"a":' * 200, "[" * 50_000, "9" * 5_000),
    *('{"config":{"resumeOffset":"1e3s"}}', '{"config":{"resumeOffset":"9999999999999s"}}', "ü" * 200_000, "\0"),
    *('{"config":{"audio":{"sampleRateHertz":1e400}}}', '{"config":{"audio":{"sampleRateHertz":"16000"}}}'),
]


async def _one_websocket(url: str, draw: random.Random) -> str:
    connection = await connect(url, subprotocols=[SUBPROTOCOL], compression=None, ping_interval=None)
    try:
        if draw.random() < 0.5:  # get past the first message, which is the pickiest
            await connection.send(_CONFIG_TEXT)
        for _ in range(draw.randint(1, 4)):
            await _send_something(connection, draw)
        if draw.random() < 0.2:
            connection.transport.abort()
            return "OK"
        if draw.random() < 0.8:
            await connection.send('{"control":{"end":{}}}')
        else:
            await connection.close()
        return await _outcome(connection)
    except websockets.ConnectionClosed:
        return await _outcome(connection)


async def _send_something(connection: ClientConnection, draw: random.Random) -> None:
    kind = draw.randrange(6)
    if kind == 0:
        await connection.send(draw.randbytes(draw.randint(0, 3_000)))
    elif kind == 1:
        await connection.send(draw.choice(_ODD_TEXTS))
    elif kind == 2:
        await connection.send([draw.randbytes(draw.randint(0, 99)) for _ in range(draw.randint(1, 5))])  # in fragments
    elif kind == 3:
        await connection.send(draw.randbytes(20), text=True)  # hardly ever UTF-8
    else:
        try:
            request = random_message(pb.StreamingRecognizeRequest, draw)
            text = json_format.MessageToJson(request, indent=draw.choice([None, 1]))
        except json_format.SerializeToJsonError:
            text = _CONFIG_TEXT
        await connection.send(mutated(text.encode(), draw) if kind == 4 else text, text=True)


_WYOMING_EVENTS: list[tuple[dict[str, Any], bytes]] = [
    ({"type": "describe"}, b""),
    ({"type": "detect", "data": {"names": ["low"]}}, b""),
    ({"type": "detect", "data": {"names": {"low": 1}}}, b""),
    ({"type": "audio-start", "data": {"rate": 16_000, "width": 2, "channels": 1}}, b""),
    ({"type": "audio-start", "data": {"rate": 1e308, "width": [], "channels": None}}, b""),
    ({"type": "audio-chunk", "data": {"rate": 16_000, "width": 2, "channels": 1}}, bytes(999)),
    ({"type": "audio-chunk", "data": {"rate": 8_000, "width": 2, "channels": 2, "timestamp": -5}}, bytes(4_000)),
    ({"type": "audio-stop"}, b""),
    ({"type": "ping", "data": {"text": {"deep": [1]}}}, b""),
    ({"type": "something-new", "data": {"x": "ü" * 1_000}}, bytes(50)),
    ({"type": 7}, b""),
    ({"data": {}}, b""),
    ({"type": "describe", "data": []}, b""),
    ({"type": "describe", "data_length": -1}, b""),
    ({"type": "describe", "data_length": 10**18}, b""),
    ({"type": "describe", "data_length": 5}, b"[1,2]"),
    ({"type": "describe", "data_length": "5"}, b"12345"),
    ({"type": "audio-chunk", "payload_length": 10**12}, bytes(10)),
]
_WYOMING_LINES = [
    b"\n",
    b"{\n",
    b"[]\n",
    b"null\n",
    b"\xff\xfe\n",
    b"[" * 60_000 + b"\n",
    b"x" * 100_000,
    b"9" * 5_000 + b"\n",
]


async def _one_wyoming(host: str, port: int, draw: random.Random) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    status = "OK"
    try:
        for _ in range(draw.randint(1, 6)):
            writer.write(_odd_event(draw))
            await writer.drain()
        if draw.random() < 0.2:
            writer.transport.abort()
        elif draw.random() < 0.9:
            writer.write_eof()
        else:
            await asyncio.sleep(0.02)
            writer.transport.abort()
        async with asyncio.timeout(_SECONDS):
            while (event := await async_read_event(reader)) is not None:
                status = event.data["code"] if event.type == "error" else status
    except ConnectionError:
        pass
    finally:
        writer.close()
    return status


def _odd_event(draw: random.Random) -> bytes:
    if draw.random() < 0.2:
        return draw.choice(_WYOMING_LINES)
    head, content = draw.choice(_WYOMING_EVENTS)
    length = {"payload_length": len(content)} if content and not {"data_length", "payload_length"} & set(head) else {}
    written = json.dumps(head | length).encode() + b"\n" + content
    return mutated(written, draw) if draw.random() < 0.3 else written


async def _outcome(connection: ClientConnection) -> str:
    """The status that the connection ended with."""
    status = "OK"
    try:
        async with asyncio.timeout(_SECONDS):
            async for text in connection:
                status = json.loads(text).get("error", {}).get("code", status)
    except websockets.ConnectionClosed:
        pass
    if status == "OK" and connection.close_code not in (1000, 1005, 1007):
        return f"CLOSED WITH {connection.close_code}"
    return status


async def _messages(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


def _class_of(descriptor: Descriptor) -> Any:
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(descriptor)


def _random_value(field: FieldDescriptor, draw: random.Random) -> Any:
    kind = field.cpp_type
    if kind == field.CPPTYPE_ENUM:
        return draw.choice([0, 1, 2, 3, 4, 5, 6, 7, 99, -1])
    if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return draw.choice([0.0, 0.5, 1.0, -1.0, 1e30, float("nan"), float("inf")])
    if kind == field.CPPTYPE_BOOL:
        return draw.random() < 0.5
    if kind == field.CPPTYPE_STRING:
        names = ["", "home", "low", "home@d1", "../../etc/passwd", "_unknown_", "a" * 5_000, "\x00\n\x1b", "ü€😀"]
        return draw.choice(names) if field.type == field.TYPE_STRING else draw.randbytes(draw.randint(0, 3_000))
    limit = 2**31 - 1
    small = [0, 1, 2, 8, 20, 100, 500, 8_000, 16_000, 44_100]
    return draw.choice(small if kind != field.CPPTYPE_INT32 else [*small, -1, limit, -limit])
