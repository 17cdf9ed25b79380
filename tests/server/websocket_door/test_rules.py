"""What holds at the WebSocket door as at the other: keys, TLS, places, metrics, draining, and the same events."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import urllib.request
from contextlib import asynccontextmanager

import numpy as np
import pytest
import websockets
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from speechtune.errors import AddressInUseError, ConfigError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.app import RecognitionServer
from speechtune_server.websocket_door.routes import websocket_routes
from speechtune_server.websocket_door.server import WebServer
from tests.server.live.test_conversation import service_of
from tests.server.websocket_door.test_routes import CONFIG, END, LOCAL, port_of, spoken, url_of
from tests.support.certificates import Authority, needs_openssl
from tests.support.keys import ADMIN, RECOGNISE, key_file
from tests.support.serving import (
    COMMANDS_CONTENT,
    GRPC,
    WEBSOCKET,
    asynchronous,
    audio,
    config,
    config_of,
    responses,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import LoudnessActivity, cut, linear16, talk
from tests.support.websocket_stub import SUBPROTOCOL


async def heard(server, *messages, subprotocols=(SUBPROTOCOL,), **settings):
    async with connect(url_of(server), subprotocols=list(subprotocols), **settings) as connection:
        return await spoken(connection, *messages)


def comparable(answers):
    """Responses without what differs from call to call."""
    for answer in answers:
        answer.ClearField("processing_latency")
    return answers


@pytest.mark.parametrize("seed", range(3))
@asynchronous
async def test_every_event_is_the_one_of_grpc_to_the_sample_however_the_audio_is_cut(seed):
    rng = np.random.default_rng(seed)
    content = linear16(np.concatenate([talk(8), np.frombuffer(COMMANDS_CONTENT, "<i2") / np.float32(32767)]))
    events = pb.EventSelection(interims=True, rejections=True, speech_activity=True, heartbeat_interval_ms=500)
    first = config(events=events, session_id="same", resume_offset={"seconds": 3, "nanos": 7})
    answers = []
    for door in (GRPC, WEBSOCKET):
        chunks = cut(content, rng.integers(1, 9_000, 40).tolist())
        async with running_server(door=door) as server, stub_of(server, door=door) as stub:
            answers.append(comparable(await responses(stub, [first, *map(audio, chunks)])))
    decided = [[one for one in some if one.WhichOneof("event") != "heartbeat"] for some in answers]
    assert len(decided[0]) > 10
    for one, other in zip(*decided, strict=True):
        # How far the audio was processed in that moment depends on how it came.
        one.ClearField("audio_processed")
        other.ClearField("audio_processed")
        assert one == other


@asynchronous
async def test_a_key_comes_as_a_header_or_as_a_sub_protocol(tmp_path):
    tokens = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None), office=(ADMIN, None), slow=(RECOGNISE, 1))
    async with running_server(websocket_address=LOCAL, keys=tmp_path / "keys.toml") as server:

        async def code_of(*offered, **headers):
            names = [SUBPROTOCOL, *(Subprotocol(f"speechtune.v1.key.{one}") for one in offered)]
            answers, code = await heard(server, CONFIG, END, subprotocols=names, additional_headers=headers)
            return answers[-1].get("error", {}).get("code"), code

        assert await code_of(Authorization=f"Bearer {tokens['kitchen']}") == (None, 1000)
        assert await code_of(tokens["kitchen"]) == (None, 1000)
        for wrong in ((), (tokens["kitchen"][:-1],), ("kitchen",), (tokens["kitchen"] + ".x",)):
            assert await code_of(*wrong) == ("UNAUTHENTICATED", 1008)
        assert await code_of(tokens["office"]) == ("PERMISSION_DENIED", 1008)
        assert await code_of(tokens["slow"]) == (None, 1000)
        assert await code_of(tokens["slow"]) == ("RESOURCE_EXHAUSTED", 1013)
        async with connect(
            url_of(server), subprotocols=[SUBPROTOCOL, Subprotocol(f"speechtune.v1.key.{tokens['kitchen']}")]
        ) as connection:
            assert connection.subprotocol == SUBPROTOCOL  # the key is never said back
        assert server.admission.num_calls == 0


@asynchronous
async def test_the_share_of_a_client_counts_streams_of_both_doors():
    async with running_server(websocket_address=LOCAL, max_streams_per_client=1) as server, stub_of(server) as stub:
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.read()
        answers, code = await heard(server, CONFIG, END)
        assert (answers[0]["error"]["code"], code) == ("RESOURCE_EXHAUSTED", 1013)
        assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"} in answers[0]["error"][
            "details"
        ]
        call.cancel()
        await until(lambda: server.admission.num_calls == 0)
        assert (await heard(server, CONFIG, END))[1] == 1000


@asynchronous
async def test_how_a_stream_ended_and_its_request_id_are_told_and_counted():
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    async with running_server(websocket_address=LOCAL, metrics_address=LOCAL) as server:
        async with connect(
            url_of(server), subprotocols=[SUBPROTOCOL], additional_headers={"x-request-id": "page-7"}
        ) as connection:
            assert connection.response.headers["x-request-id"] == "page-7"
            answers, code = await spoken(connection, {"config": {"audio": {"encoding": "LINEAR16"}}})
        error = answers[0]["error"]
        assert (error["code"], code) == ("INVALID_ARGUMENT", 1007)
        assert error["details"][0]["fieldViolations"][0]["field"] == "config.audio.sample_rate_hertz"
        assert error["details"][-1]["requestId"] == "page-7"
        await heard(server, CONFIG, COMMANDS_CONTENT, END)
        async with connect(url_of(server), subprotocols=[SUBPROTOCOL]) as connection:
            await connection.send(json.dumps(CONFIG))
            await connection.recv()
        await until(lambda: server.admission.num_calls == 0)
        with urllib.request.urlopen(f"http://127.0.0.1:{server._metrics.port}/metrics") as page:
            told = page.read().decode()
        for status in ("INVALID_ARGUMENT", "OK", "CANCELLED"):
            assert f'speechtune_calls_total{{method="/v1/stream",status="{status}"}} 1.0' in told
        assert 'speechtune_detections_total{label="low",model="home"} 1.0' in told


@asynchronous
async def test_a_drain_answers_what_came_and_closes_with_going_away():
    async with running_server(websocket_address=LOCAL) as server:
        async with connect(url_of(server), subprotocols=[SUBPROTOCOL]) as connection:
            await connection.send(json.dumps(CONFIG))
            await connection.recv()
            await connection.send(COMMANDS_CONTENT)
            stopping = asyncio.create_task(server.stop())
            answers, code = await spoken(connection)
        assert [next(iter(answer)) for answer in answers][-1] == "ended"
        assert answers[-1]["ended"]["reason"] == "DRAINING"
        assert code == 1012
        await stopping


@asynchronous
async def test_the_routes_serve_in_another_application_beside_its_own_pages():
    async def page(request):
        return PlainTextResponse("a page")

    async with service_of() as service:
        application = Starlette(routes=[Route("/", page), *websocket_routes(service)])
        server = WebServer(application, service.config, None)
        address = await server.start(LOCAL)
        try:
            async with connect(
                f"ws://{address}/v1/stream", subprotocols=[SUBPROTOCOL], origin=f"http://{address}"
            ) as connection:
                answers, code = await spoken(connection, CONFIG, COMMANDS_CONTENT, END)
            content = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{address}/").read())
        finally:
            await server.stop()
    assert [one["detection"]["label"] for one in answers if "detection" in one] == ["low", "high"]
    assert (code, content) == (1000, b"a page")


@asynchronous
async def test_a_port_that_is_taken_is_told_at_the_start():
    async with running_server(websocket_address=LOCAL) as server:
        taken = config_of(websocket_address=f"127.0.0.1:{port_of(server)}")
        with pytest.raises(AddressInUseError, match="already in use"):
            await RecognitionServer(taken, load_activity=LoudnessActivity).start()


@asynchronous
async def test_without_its_packages_the_door_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "speechtune_server.websocket_door.server", None)
    with pytest.raises(ConfigError, match=r"pip install 'speechtune\[web\]'"):
        await RecognitionServer(config_of(websocket_address=LOCAL), load_activity=LoudnessActivity).start()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.made(tmp_path_factory.mktemp("authority") / "ours")


def trusting(authority, *own):
    context = ssl.create_default_context(cafile=authority.certificate)
    if own:
        context.load_cert_chain(*own)
    return context


@asynccontextmanager
async def over_tls(server, context):
    url = f"wss://localhost:{port_of(server)}/v1/stream"
    async with connect(url, host="127.0.0.1", subprotocols=[SUBPROTOCOL], ssl=context) as connection:
        yield connection


@needs_openssl
@asynchronous
async def test_tls_has_the_certificate_of_grpc_and_takes_a_renewed_one_at_the_next_connection(authority, tmp_path):
    certificate, key = authority.issue(tmp_path / "server", "server")
    settings = {"certificate": certificate, "private_key": key, "websocket_address": LOCAL}
    async with running_server(**settings) as server:
        shown = []
        async with over_tls(server, trusting(authority)) as open_before:
            await open_before.send(json.dumps(CONFIG))
            for _ in range(2):
                async with over_tls(server, trusting(authority)) as connection:
                    shown.append(connection.transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
                    answers, code = await spoken(connection, CONFIG, COMMANDS_CONTENT, END)
                assert (len(answers), code) == (4, 1000)
                authority.issue(tmp_path / "server", "server")
                for path in (certificate, key):
                    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000_000))
            assert (await spoken(open_before, END))[1] == 1000
        assert shown[0] != shown[1]
        with pytest.raises((websockets.InvalidMessage, EOFError, OSError)):
            await heard(server, CONFIG)  # plaintext


@needs_openssl
@asynchronous
async def test_mutual_tls_takes_the_clients_of_its_authority_and_nobody_else(authority, tmp_path):
    certificate, key = authority.issue(tmp_path / "server", "server")
    ours = authority.issue(tmp_path / "client", "kitchen")
    theirs = Authority.made(tmp_path / "stranger").issue(tmp_path / "stranger" / "client", "kitchen")
    settings = {"certificate": certificate, "private_key": key, "client_authorities": authority.certificate}
    async with running_server(**settings, websocket_address=LOCAL) as server:
        async with over_tls(server, trusting(authority, *ours)) as connection:
            assert (await spoken(connection, CONFIG, END))[1] == 1000
        for own in ((), theirs):
            with pytest.raises((websockets.WebSocketException, OSError)):
                async with over_tls(server, trusting(authority, *own)) as connection:
                    await connection.recv()
        assert server.admission.num_calls == 0
