"""Connections that say nothing, read nothing, or do not go: none is kept, and nobody else is held up."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from contextlib import closing, suppress

from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.server.websocket_door.test_routes import CONFIG, END, LOCAL, port_of, spoken, url_of
from tests.support.keys import RECOGNISE, key_file
from tests.support.serving import COMMANDS_CONTENT, asynchronous, running_server, until
from tests.support.websocket_stub import SUBPROTOCOL

CONNECTIONS = "speechtune_server.websocket_door.connections"


def connections_of(server):
    (door,) = server.doors._open
    return door._server.server_state.connections


class DeafClient:
    """A WebSocket whose client has its own way of reading: not at all."""

    def __init__(self, server):
        self._protocol = ClientProtocol(parse_uri(url_of(server)), subprotocols=[SUBPROTOCOL])
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self._socket.setblocking(False)
        self._address = ("127.0.0.1", port_of(server))

    async def open(self):
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, self._address)
        self._protocol.send_request(self._protocol.connect())
        await self._flush()
        response = b""
        while not response.endswith(b"\r\n\r\n"):  # and not a byte more
            response += await loop.sock_recv(self._socket, 1)
        self._protocol.receive_data(response)

    async def send(self, message):
        if isinstance(message, bytes):
            self._protocol.send_binary(message)
        else:
            self._protocol.send_text(json.dumps(message).encode())
        await self._flush()

    async def send_until_cut_off(self, content, times):
        """How many bytes it could send."""
        for number in range(times):
            try:
                await self.send(content)
            except (ConnectionResetError, BrokenPipeError):
                return number * len(content)
            await asyncio.sleep(0)
        raise AssertionError("it was never cut off")

    def close(self):
        self._socket.close()

    async def _flush(self):
        for data in self._protocol.data_to_send():
            await asyncio.get_running_loop().sock_sendall(self._socket, data)


@asynchronous
async def test_a_client_that_reads_nothing_is_refused_cut_off_and_forgotten(monkeypatch, caplog):
    monkeypatch.setattr("speechtune_server.websocket_door.routes._FAREWELL_SECONDS", 0.2)
    monkeypatch.setattr(f"{CONNECTIONS}._LINGER_SECONDS", 0.2)
    talkative = {
        "config": {
            "audio": CONFIG["config"]["audio"],
            "events": {"heartbeatIntervalMs": 100, "interims": True, "listeningStates": True},
            "detector": {"hopMs": 20},
        }
    }
    async with running_server(websocket_address=LOCAL, max_in_flight_seconds=8.0) as server:
        with closing(DeafClient(server)) as deaf:
            await deaf.open()
            await deaf.send(talkative)
            await deaf.send_until_cut_off(COMMANDS_CONTENT, 3_000)
            await until(lambda: server.admission.num_calls == 0)
            await until(lambda: not connections_of(server))
            async with connect(url_of(server), subprotocols=[SUBPROTOCOL]) as connection:
                assert (await spoken(connection, CONFIG, END))[1] == 1000
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@asynchronous
async def test_a_connection_that_asks_for_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(f"{CONNECTIONS}._HANDSHAKE_SECONDS", 0.1)
    async with running_server(websocket_address=LOCAL) as server:
        for begun in (b"", b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            writer.write(begun)
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        await until(lambda: not connections_of(server))
        # One that came in time is not disturbed.
        async with connect(url_of(server), subprotocols=[SUBPROTOCOL]) as connection:
            await asyncio.sleep(0.3)
            assert (await spoken(connection, CONFIG, END))[1] == 1000


@asynchronous
async def test_who_was_refused_and_goes_on_sending_fills_no_memory(tmp_path):
    key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None))
    async with running_server(websocket_address=LOCAL, keys=tmp_path / "keys.toml") as server:
        with closing(DeafClient(server)) as refused:
            await refused.open()
            # What lies in the system's buffers included.
            assert await refused.send_until_cut_off(bytes(64_000), 1_000) < 16_000_000
            await until(lambda: not connections_of(server))


@asynchronous
async def test_a_server_that_stops_does_not_wait_for_a_client_that_reads_nothing(caplog):
    async with running_server(websocket_address=LOCAL, drain_deadline_seconds=0.1) as server:
        with closing(DeafClient(server)) as deaf:
            await deaf.open()
            await deaf.send(CONFIG)
            await until(lambda: server.admission.num_calls == 1)
            async with asyncio.timeout(5):
                await server.stop()
            assert not connections_of(server)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@asynchronous
async def test_text_that_is_no_text_closes_its_connection_and_is_no_error_of_ours(caplog):
    async with running_server(websocket_address=LOCAL) as server:
        async with connect(url_of(server), subprotocols=[SUBPROTOCOL]) as connection:
            await connection.send(b"\xff\xfe", text=True)
            assert (await spoken(connection))[1] == 1007
        await until(lambda: server.admission.num_calls == 0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
