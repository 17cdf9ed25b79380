"""The WebSocket door: its handshake, its messages, its errors and its closes."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from tests.support.serving import COMMANDS_CONTENT, asynchronous, running_server
from tests.support.websocket_stub import SUBPROTOCOL

CONFIG = {"config": {"audio": {"encoding": "LINEAR16", "sampleRateHertz": 16_000}}}
END = {"control": {"end": {}}}
LOCAL = "127.0.0.1:0"


async def spoken(connection, *messages):
    """Send these, text for dictionaries; all that comes back, and the close code."""
    answers = []
    with suppress(websockets.ConnectionClosed):  # one that was refused is closed meanwhile
        for message in messages:
            await connection.send(message if isinstance(message, bytes) else json.dumps(message))
    try:
        async for text in connection:
            answers.append(json.loads(text))  # noqa: PERF401  (what came before the close is wanted)
    except websockets.ConnectionClosed:
        pass
    return answers, connection.close_code


def url_of(server):
    return f"ws://{server.doors.addresses['websocket']}/v1/stream"


def port_of(server):
    return int(server.doors.addresses["websocket"].rpartition(":")[2])


@asynchronous
async def test_a_stream_is_json_out_and_audio_in_and_is_closed_when_it_has_ended():
    async with running_server(websocket_address=LOCAL) as server:
        async with connect(url_of(server), subprotocols=[SUBPROTOCOL]) as connection:
            assert connection.subprotocol == SUBPROTOCOL
            answers, code = await spoken(connection, CONFIG, COMMANDS_CONTENT, END)
        assert [next(iter(answer)) for answer in answers] == ["started", "detection", "detection", "ended"]
        assert [answer["detection"]["label"] for answer in answers[1:3]] == ["low", "high"]
        assert answers[1]["detection"]["startOffset"] == "0.384s"
        assert code == 1000
        assert server.admission.num_calls == 0


@pytest.mark.parametrize(
    ("offered", "name", "origin", "status", "hint"),
    [
        ([], "127.0.0.1", None, 400, "speechtune.v1"),
        (["chat"], "127.0.0.1", None, 400, "speechtune.v1"),
        ([SUBPROTOCOL], "127.0.0.1", "https://example.org", 403, "websocket_origins"),
        ([SUBPROTOCOL], "127.0.0.1", "null", 403, "websocket_origins"),
        ([SUBPROTOCOL], "rebound.example", "http://rebound.example", 403, "websocket_hosts"),
    ],
)
@asynchronous
async def test_who_may_not_come_in_is_turned_away_before_there_is_a_connection(offered, name, origin, status, hint):
    async with running_server(websocket_address=LOCAL) as server:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(
                url_of(server).replace("127.0.0.1", name),
                host="127.0.0.1",
                port=port_of(server),
                subprotocols=[Subprotocol(one) for one in offered] or None,
                origin=Origin(origin) if origin else None,
            )
        assert refused.value.response.status_code == status
        assert hint in refused.value.response.body.decode()
        assert server.admission.num_calls == 0
