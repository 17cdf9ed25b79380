"""What the server writes: one object a line, with the request id, without audio and without keys."""

from __future__ import annotations

import io
import json
import logging
from contextlib import contextmanager

import pytest

from speechtune_client import AsyncCommandClient, ClientError
from speechtune_server.process.logs import LogFormat, LogLevel, configure_logs
from tests.support.keys import RECOGNISE, key_file
from tests.support.serving import (
    COMMANDS_CONTENT,
    ObedientScorer,
    asynchronous,
    audio,
    config,
    refusal,
    responses,
    running_server,
    stub_of,
)

REQUEST_ID = (("x-request-id", "ask-me-about-7"),)


@contextmanager
def logged(form, level=LogLevel.INFO):
    root, out = logging.getLogger(), io.StringIO()
    handler = configure_logs(form, level, out)
    try:
        yield out
    finally:
        root.removeHandler(handler)
        for name in ("speechtune", "speechtune_server"):
            logging.getLogger(name).setLevel(logging.NOTSET)


def entries(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


@asynchronous
async def test_every_line_is_one_object_and_a_calls_lines_carry_its_request_id():
    with logged(LogFormat.JSON) as out:
        async with running_server() as server, stub_of(server) as stub:
            requests = iter([config(session_id="kitchen-1"), audio(COMMANDS_CONTENT)])
            _ = [answer async for answer in stub.StreamingRecognize(requests, metadata=REQUEST_ID)]
    lines = entries(out)
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    mine = [line for line in lines if line["request_id"] == "ask-me-about-7"]
    stream, call = mine
    assert (stream["session_id"], stream["num_detections"], stream["audio_seconds"]) == ("kitchen-1", 2, 3.5)
    assert (call["status"], call["client"]) == ("OK", "ipv4:127.0.0.1")
    assert call["method"].endswith("StreamingRecognize")
    assert call["seconds"] > 0
    assert any(line["message"].startswith("serving on") and line["request_id"] == "-" for line in lines)


@asynchronous
async def test_a_failure_is_logged_with_its_trace_and_the_id_that_the_client_was_told():
    with logged(LogFormat.JSON) as out:
        async with running_server(ObedientScorer(fails=True)) as server, stub_of(server) as stub:
            refused = await refusal(responses(stub, [config(), audio(COMMANDS_CONTENT)]))
    failed = next(line for line in entries(out) if line["level"] == "error")
    assert failed["request_id"] == refused.request_id
    assert "ArithmeticError" in failed["trace"]


@pytest.mark.parametrize("form", list(LogFormat))
@asynchronous
async def test_neither_keys_nor_audio_are_logged_at_any_level(form, tmp_path):
    tokens = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None))
    spoken = b"audible-" * 400
    with logged(form, LogLevel.DEBUG) as out:
        async with running_server(keys=tmp_path / "keys.toml") as server:
            for key in (tokens["kitchen"], "kitchen." + "s3cret" * 8):
                async with AsyncCommandClient(server.address, api_key=key) as client:
                    with pytest.raises(ClientError) as caught:
                        await client.recognize(spoken, "WAV")
                    assert "audible" not in str(caught.value)
    text = out.getvalue()
    assert "is not a WAV file" in text
    assert "send a valid key" in text
    for secret in (tokens["kitchen"].partition(".")[2], "s3cret", "audible"):
        assert secret not in text


@asynchronous
async def test_a_client_cannot_write_lines_of_its_own_into_the_log():
    with logged(LogFormat.TEXT) as out:
        async with running_server() as server, stub_of(server) as stub:
            await refusal(responses(stub, [config(model="x\n2026-01-01T00:00:00.000Z ERROR  \x1b[31mforged")]))
    assert not any(line.startswith("2026-01-01") for line in out.getvalue().splitlines())
    assert "\x1b" not in out.getvalue()


@asynchronous
async def test_an_id_that_is_no_id_is_replaced():
    async with running_server() as server, stub_of(server) as stub:
        for given, kept in (("a" * 64, True), ("a" * 65, False), ("a b", False), ("", False)):
            call = stub.StreamingRecognize(iter([config()]), metadata=(("x-request-id", given),))
            answered = dict(await call.initial_metadata())["x-request-id"]
            assert (answered == given) is kept
            _ = [answer async for answer in call]


def test_a_second_call_replaces_the_first_handler():
    before = len(logging.getLogger().handlers)
    with logged(LogFormat.JSON), logged(LogFormat.TEXT):
        assert len(logging.getLogger().handlers) == before + 1
