"""Orders inside a stream, over the wire and from the clients."""

from __future__ import annotations

import numpy as np
import pytest

from speechtune.errors import ServiceOverloadedError
from speechtune_client import CommandClient, CommandRule, Detection, Flush, Reset, UpdateCommands
from speechtune_client.async_client import AsyncCommandClient
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.live.inbox import EndReason, Inbox
from tests.support.serving import (
    COMMANDS,
    COMMANDS_CONTENT,
    asynchronous,
    audio,
    config,
    detections,
    each_door,
    responses,
    running_server,
    server_in_thread,
    stub_of,
)
from tests.support.streaming import linear16, quiet, tone

LOW = linear16(np.concatenate([quiet(4_000), tone(250, 6_000)]))
"""Ends while it is spoken, so that only an order can decide it before the end."""


def order(**op):
    return pb.StreamingRecognizeRequest(control=pb.Control(**op))


def labels(events):
    return [event.label for event in events if isinstance(event, Detection)]


@each_door
@asynchronous
async def test_a_flush_decides_at_its_place_and_the_stream_goes_on(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        requests = [config(), audio(LOW), order(flush={}), audio(linear16(quiet(16_000)))]
        answers = await responses(stub, requests)
        (found,) = detections(answers)
        assert found.label == "low"
        assert found.decision_offset.ToTimedelta().total_seconds() == 10_000 / 16_000
        assert answers[-1].ended.statistics.audio_processed.ToTimedelta().total_seconds() == 26_000 / 16_000


@each_door
@asynchronous
async def test_a_reset_forgets_what_was_being_said(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        requests = [config(), audio(LOW), order(reset={}), audio(linear16(quiet(16_000)))]
        assert detections(await responses(stub, requests)) == []


@each_door
@asynchronous
async def test_other_commands_hold_from_their_place_on(door):
    rule = pb.CommandRule(label="high", threshold=0.25)
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        update = order(update_commands={"commands": [rule]})
        found = detections(await responses(stub, [config(), update, audio(COMMANDS_CONTENT)]))
        assert [(one.label, one.threshold) for one in found] == [("high", 0.25)]


@each_door
@asynchronous
async def test_other_streams_keep_their_commands(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        update = order(update_commands={"commands": [{"label": "high"}]})
        narrowed = await responses(stub, [config(), update, audio(COMMANDS_CONTENT)])
        others = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        assert [one.label for one in detections(narrowed)] == ["high"]
        assert [one.label for one in detections(others)] == ["low", "high"]


@asynchronous
async def test_audio_and_orders_come_out_in_the_order_they_went_in():
    inbox: Inbox[str] = Inbox(100, 100)
    inbox.put(b"ab", 0.0)
    inbox.put_order("first")
    inbox.put_order("second")
    inbox.put(b"cd", 0.0)
    inbox.end(EndReason.CLIENT_FINISHED)
    assert inbox.take_order() is None
    assert await inbox.take(100) == b"ab"
    assert (inbox.take_order(), inbox.take_order(), inbox.take_order()) == ("first", "second", None)
    assert not inbox.is_exhausted
    assert await inbox.take(100) == b"cd"
    assert inbox.is_exhausted


def test_a_flood_of_orders_is_refused():
    inbox: Inbox[str] = Inbox(100, 100)
    for _ in range(256):
        inbox.put_order("flush")
    with pytest.raises(ServiceOverloadedError, match="orders wait"):
        inbox.put_order("flush")


def chunks():
    yield LOW
    yield Flush()
    yield UpdateCommands((CommandRule("high", threshold=0.5),))
    yield linear16(COMMANDS)
    yield Reset()


def test_the_blocking_client_sends_orders_among_the_audio():
    with server_in_thread() as server, CommandClient(server.address) as client:
        assert labels(client.stream(chunks())) == ["low", "high"]


@asynchronous
async def test_the_async_client_sends_orders_among_the_audio():
    async with running_server() as server, AsyncCommandClient(server.address) as client:
        assert labels([event async for event in client.stream(chunks())]) == ["low", "high"]
