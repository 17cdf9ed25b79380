"""The process around the calls: ports, health, reflection, start, stop, keepalive."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from contextlib import suppress

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from speechtune.errors import AddressInUseError, CheckpointNotFoundError, ConfigError
from speechtune_client import connection
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_server.app import SERVICE_NAME, RecognitionServer, serve
from speechtune_server.engine.model_store import ServedModel
from tests.support.processes import scripted_server
from tests.support.serving import (
    COMMANDS_CONTENT,
    DIGEST,
    ObedientScorer,
    asynchronous,
    audio,
    config,
    config_of,
    kinds,
    refusal,
    responses,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import LoudnessActivity, PitchScorer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(channel, service=""):
    stub = health_pb2_grpc.HealthStub(channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status


@asynchronous
async def test_a_port_in_use_is_told_before_any_model_is_loaded():
    loaded = []
    async with running_server() as server:
        second = RecognitionServer(config_of(address=server.address), lambda *_: loaded.append(1), LoudnessActivity)
        with pytest.raises(AddressInUseError, match="already in use"):
            await second.start()
    assert loaded == []


@asynchronous
async def test_a_port_that_another_program_has_is_in_use_too():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = RecognitionServer(
            config_of(address=f"127.0.0.1:{other.getsockname()[1]}"), load_activity=LoudnessActivity
        )
        with pytest.raises(AddressInUseError, match="another port"):
            await server.start()


@asynchronous
async def test_an_address_of_another_machine_cannot_be_listened_on():
    server = RecognitionServer(config_of(address="192.0.2.1:0", allow_plaintext=True), load_activity=LoudnessActivity)
    with pytest.raises(ConfigError, match="cannot be listened on"):
        await server.start()


@asynchronous
async def test_a_model_that_cannot_be_loaded_ends_the_start_with_its_own_error():
    def load(name, folder):
        raise CheckpointNotFoundError(f"{folder}: no checkpoint there")

    server = RecognitionServer(config_of(), load, LoudnessActivity)
    with pytest.raises(CheckpointNotFoundError):
        await server.start()
    with socket.socket() as probe:
        host, _, port = server.address.partition(":")
        probe.bind((host, int(port)))


@asynchronous
async def test_a_drain_is_told_to_those_who_watch_the_health():
    async with (
        running_server(drain_notice_seconds=0.3) as server,
        stub_of(server) as stub,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE_NAME))
        assert (await watch.read()).status == SERVING
        call = stub.StreamingRecognize()
        await call.write(config())
        await call.read()
        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == NOT_SERVING
        await stopping


@asynchronous
async def test_an_unknown_service_has_no_health():
    async with running_server() as server, grpc.aio.insecure_channel(server.address) as channel:
        assert (await refusal(health(channel, "speechtune.v1.Nothing"))).code is grpc.StatusCode.NOT_FOUND


@asynchronous
async def test_reflection_shows_the_whole_contract():
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE_NAME),
    ]
    async with running_server() as server, grpc.aio.insecure_channel(server.address) as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(requests))
        listed, file = [answer async for answer in call]
    services = {service.name for service in listed.list_services_response.service}
    assert services >= {SERVICE_NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(content)
        for content in file.file_descriptor_response.file_descriptor_proto
    ]
    methods = {method.name for file in files for service in file.service for method in service.method}
    assert methods == {"Recognize", "StreamingRecognize", "ListModels", "GetServerInfo"}


@asynchronous
async def test_a_method_that_is_not_served_is_unimplemented():
    async with running_server() as server, grpc.aio.insecure_channel(server.address) as channel:
        call = channel.unary_unary("/speechtune.v1.CommandRecognition/Guess")
        assert (await refusal(call(b""))).code is grpc.StatusCode.UNIMPLEMENTED


@asynchronous
async def test_models_are_listed_with_their_digests_and_thresholds():
    served = {"models": {"home": "a", "garden": "b"}, "default_model": "garden"}
    async with running_server(**served) as server, stub_of(server) as stub:
        models = (await stub.ListModels(pb.ListModelsRequest())).models
        started = (await responses(stub, [config()]))[0].started
    assert [(model.name, model.is_default) for model in models] == [("home", False), ("garden", True)]
    assert started.model == "garden"
    assert {model.digest for model in models} == {DIGEST}
    assert {rule.label: (rule.threshold, rule.refractory_ms) for rule in models[0].commands} == {
        "low": (0.5, 500),
        "high": (0.5, 500),
    }


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)  # and empty SETTINGS
PING = b"\x00\x00\x08\x06" + bytes(5) + b"keepaliv"


def pinged(address, num_pings, seconds_apart):
    """What a server sends to a device that has no call open and pings; a device's own HTTP/2, not grpc's."""
    host, _, port = address.partition(":")
    content = b""
    with socket.create_connection((host, int(port)), timeout=5) as device, suppress(ConnectionError):
        device.sendall(PREFACE)
        for _ in range(num_pings):
            time.sleep(seconds_apart)
            device.sendall(PING)
            content += device.recv(65_536)
    return content


@asynchronous
async def test_keepalive_pings_of_devices_are_permitted_as_often_as_stated_also_between_calls():
    async with running_server(min_ping_interval_seconds=0.1) as server, stub_of(server) as stub:
        limits = (await stub.GetServerInfo(pb.GetServerInfoRequest())).limits
        assert limits.min_ping_interval.ToMilliseconds() == 100
        assert b"too_many_pings" not in await asyncio.to_thread(pinged, server.address, 6, 0.12)
    async with running_server(min_ping_interval_seconds=10) as server:
        assert b"too_many_pings" in await asyncio.to_thread(pinged, server.address, 6, 0.05)


def test_the_clients_pings_are_rarer_than_the_server_permits():
    assert 2 * 1_000 * config_of().min_ping_interval_seconds < connection.KEEPALIVE_TIME_MS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_real_server_cleanly_after_its_streams(number):
    with scripted_server() as process:
        address = process.stdout.readline().strip()
        with grpc.insecure_channel(address) as channel:
            opened = threading.Event()

            def requests():
                yield config()
                yield audio(COMMANDS_CONTENT)
                opened.wait(10)

            answers = []
            for answer in pb_grpc.CommandRecognitionStub(channel).StreamingRecognize(requests(), timeout=20):
                answers.append(answer)
                if len(answers) == 3:
                    process.send_signal(number)
            opened.set()
        _, errors = process.communicate(timeout=20)
    assert kinds(answers) == ["started", "detection", "detection", "heartbeat", "ended"]
    assert answers[-1].ended.reason == pb.Ended.DRAINING
    assert (process.returncode, errors) == (0, "")


def test_a_real_server_whose_port_is_taken_says_so_in_one_line():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with scripted_server(f"127.0.0.1:{other.getsockname()[1]}") as process:
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "already in use" in errors
    assert len(errors.splitlines()) == 1


@asynchronous
async def test_a_signal_during_the_start_ends_it_whatever_still_loads():
    loading, may_end = threading.Event(), threading.Event()

    def load(name, folder):
        loading.set()
        may_end.wait(20)
        return ServedModel(name, DIGEST, PitchScorer())

    serving = asyncio.create_task(serve(config_of(), None, load, LoudnessActivity))
    await until(loading.is_set)
    os.kill(os.getpid(), signal.SIGTERM)
    assert not await serving  # a thread goes on
    may_end.set()


@asynchronous
async def test_a_model_that_hangs_does_not_keep_a_server_from_stopping():
    scorer = ObedientScorer()
    async with running_server(scorer, drain_deadline_seconds=0.1) as server, stub_of(server) as stub:
        call = stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT)]))
        scorer.may_go.clear()
        await until(scorer.asked.is_set)
        await server.stop()
        assert not server.has_ended
        scorer.may_go.set()
        call.cancel()


@asynchronous
async def test_a_server_that_stops_in_order_has_ended():
    async with running_server() as server, stub_of(server) as stub:
        await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        await server.stop()
        assert server.has_ended
