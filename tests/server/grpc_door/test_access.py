"""API keys over gRPC: every method asks for one, and no secret is ever shown."""

from __future__ import annotations

import logging

import grpc
import pytest

from speechtune.cli.app import run
from speechtune_client import AsyncCommandClient, CommandClient, Tls
from speechtune_client.errors import NotPermittedError as ClientNotPermittedError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import model_admin_pb2 as admin_pb
from speechtune_client.v1 import model_admin_pb2_grpc as admin_grpc
from speechtune_server.process.access import Access, Scope, read_keys
from tests.support.clock import ScriptedClock
from tests.support.keys import ADMIN, RECOGNISE, key_file
from tests.support.serving import asynchronous, config, refusal, responses, running_server, stub_of


@asynchronous
async def test_every_method_asks_for_a_key_and_the_status_says_what_is_wrong(tmp_path):
    tokens = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None), office=(ADMIN, None), slow=(RECOGNISE, 1))
    async with running_server(keys=tmp_path / "keys.toml") as server, stub_of(server) as stub:
        calls = [
            lambda: stub.GetServerInfo(pb.GetServerInfoRequest()),
            lambda: stub.ListModels(pb.ListModelsRequest()),
            lambda: stub.Recognize(pb.RecognizeRequest()),
            lambda: responses(stub, [config()]),
        ]
        for call in calls:
            assert (await refusal(call())).code is grpc.StatusCode.UNAUTHENTICATED
        async with AsyncCommandClient(server.address, api_key=tokens["office"]) as client:
            with pytest.raises(ClientNotPermittedError, match="recognise"):
                await client.server_info()
        async with AsyncCommandClient(server.address, api_key=tokens["slow"]) as client:
            await client.server_info()
            with pytest.raises(Exception, match="1 calls a minute") as caught:
                await client.server_info()
            assert caught.value.retry_after == 1.0


@asynchronous
async def test_administration_needs_its_own_scope_and_the_log_shows_no_secret(tmp_path, caplog):
    tokens = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None), office=(ADMIN, None))
    caplog.set_level(logging.DEBUG)
    async with (
        running_server(keys=tmp_path / "keys.toml") as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stub = admin_grpc.ModelAdminStub(channel)
        for name, code in (("kitchen", "PERMISSION_DENIED"), ("office", "OK"), ("nobody", "UNAUTHENTICATED")):
            metadata = (("authorization", f"Bearer {tokens.get(name, 'nobody.' + 'A' * 43)}"),)
            call = stub.SetDefaultModel(admin_pb.SetDefaultModelRequest(model="home"), metadata=metadata)
            assert (await call.code()).name == code
    assert not any(token.partition(".")[2] in caplog.text for token in tokens.values())


@asynchronous
async def test_a_reload_takes_new_keys_and_drops_old_ones_and_keeps_them_where_the_file_is_bad(tmp_path, caplog):
    path = tmp_path / "keys.toml"
    old = key_file(path, kitchen=(RECOGNISE, None))["kitchen"]
    async with running_server(keys=path) as server:

        async def may(token):
            async with AsyncCommandClient(server.address, api_key=token) as client:
                try:
                    await client.server_info()
                except ClientNotPermittedError:
                    return False
                return True

        new = key_file(path, garden=(RECOGNISE, None))["garden"]
        assert (await may(old), await may(new)) == (True, False)
        await server.reload()
        assert (await may(old), await may(new)) == (False, True)
        path.write_text("[keys.kitchen]\nsalt = 'hunter2'\n")
        await server.reload()
        assert await may(new)
    assert "the keys stay as they are" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_client_sends_its_key_only_where_nobody_can_read_it_on_the_way():
    for make in (CommandClient, AsyncCommandClient):
        with pytest.raises(ValueError, match="not encrypted"):
            make("192.0.2.1:50551", api_key="kitchen.secret")
    for settings in ({"tls": Tls()}, {"allow_plaintext": True}):
        CommandClient("192.0.2.1:50551", api_key="kitchen.secret", **settings).close()


def test_the_operator_makes_a_key_whose_secret_is_shown_once_and_kept_nowhere(tmp_path, capsys):
    assert run(["serve-key", "kitchen", "--scope", "admin", "--scope", "recognise", "--rate", "30"]) == 0
    table, said = capsys.readouterr()
    token = next(word for word in said.split() if word.startswith("kitchen."))
    assert token.partition(".")[2] not in table
    (tmp_path / "keys.toml").write_text(table)
    keys = read_keys(tmp_path / "keys.toml")
    assert keys["kitchen"].calls_per_minute == 30
    assert Access(keys, False, ScriptedClock()).admit(f"Bearer {token}", Scope.ADMIN) == "kitchen"
    assert run(["serve-key", "a b"]) == 2
    assert run(["serve-key", "kitchen", "--scope", "all"]) == 2
