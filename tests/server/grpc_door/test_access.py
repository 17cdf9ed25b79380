"""API keys: who is let in, for what, how often, and that no secret is ever shown."""

from __future__ import annotations

import logging

import grpc
import pytest

from speechtune.cli.app import run
from speechtune.errors import ConfigError, NotAuthenticatedError, NotPermittedError, ServiceOverloadedError
from speechtune_client import AsyncCommandClient, CommandClient, Tls
from speechtune_client.errors import NotPermittedError as ClientNotPermittedError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import model_admin_pb2 as admin_pb
from speechtune_client.v1 import model_admin_pb2_grpc as admin_grpc
from speechtune_server.process.access import Access, Scope, new_key, read_keys
from tests.support.clock import ScriptedClock
from tests.support.keys import ADMIN, RECOGNISE, key_file
from tests.support.serving import asynchronous, config, refusal, responses, running_server, stub_of


def access_with(rate=None, clock=None):
    secret, key = new_key(RECOGNISE)
    return Access({"kitchen": key.model_copy(update={"calls_per_minute": rate})}, False, clock or ScriptedClock()), (
        f"Bearer kitchen.{secret}"
    )


def test_the_right_key_is_let_in_under_its_name():
    access, token = access_with()
    assert access.admit(token, Scope.RECOGNISE) == "kitchen"
    with pytest.raises(NotPermittedError, match="admin"):
        access.admit(token, Scope.ADMIN)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.replace("kitchen", "garden"),
        lambda token: token.replace("Bearer ", "bearer "),
        lambda token: token.removeprefix("Bearer "),
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: "Bearer .",
        lambda token: "Bearer kitchen." + "A" * 10_000,
        lambda token: token + "\n",
    ],
)
def test_anything_else_is_refused_in_the_same_words(change):
    access, token = access_with()
    with pytest.raises(NotAuthenticatedError, match="send a valid key") as caught:
        access.admit(change(token), Scope.RECOGNISE)
    assert token.rpartition(".")[2] not in str(caught.value)


def test_a_name_that_is_not_there_costs_a_comparison_too(monkeypatch):
    from speechtune_server.process import access as module

    compared = []
    monkeypatch.setattr(module.hmac, "compare_digest", lambda one, other: compared.append(1) or False)
    access, token = access_with()
    for given in (token, token.replace("kitchen", "garden"), ""):
        with pytest.raises(NotAuthenticatedError):
            access.admit(given, Scope.RECOGNISE)
    assert len(compared) == 3


def test_a_key_that_calls_too_often_waits_and_is_not_punished_further():
    clock = ScriptedClock()
    access, token = access_with(rate=60, clock=clock)
    for _ in range(60):
        access.admit(token, Scope.RECOGNISE)
    with pytest.raises(ServiceOverloadedError, match="60 calls a minute"):
        access.admit(token, Scope.RECOGNISE)
    clock.time = 1.0
    access.admit(token, Scope.RECOGNISE)
    with pytest.raises(ServiceOverloadedError):
        access.admit(token, Scope.RECOGNISE)
    clock.time = 1_000.0
    for _ in range(60):  # a minute's worth, however long nobody called
        access.admit(token, Scope.RECOGNISE)
    with pytest.raises(ServiceOverloadedError):
        access.admit(token, Scope.RECOGNISE)


def test_a_wrong_secret_spends_nothing_of_the_keys_calls():
    access, token = access_with(rate=1)
    for _ in range(5):
        with pytest.raises(NotAuthenticatedError):
            access.admit(token + "A", Scope.RECOGNISE)
    assert access.admit(token, Scope.RECOGNISE) == "kitchen"


def test_without_keys_everybody_may_recognise_and_nobody_administrate_unless_told_so():
    for open_admin in (False, True):
        access = Access(None, open_admin, ScriptedClock())
        assert access.admit("", Scope.RECOGNISE) is None
        if open_admin:
            assert access.admit("", Scope.ADMIN) is None
        else:
            with pytest.raises(NotPermittedError):
                access.admit("", Scope.ADMIN)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("keys = 3", "keys"),
        ("[keys.kitchen]\nsalt = 'zz'\nsha256 = 'zz'", "salt"),
        ("[keys.kitchen]\nsecret = 'hunter2hunter2'", r"kitchen\."),
        ("[keys.'a b']", "a b"),
        ("not toml at all", "cannot be read"),
    ],
)
def test_a_file_of_keys_with_a_mistake_is_told_without_showing_a_value(tmp_path, text, hint):
    (tmp_path / "keys.toml").write_text(text)
    with pytest.raises(ConfigError, match=hint) as caught:
        read_keys(tmp_path / "keys.toml")
    assert "hunter2" not in str(caught.value)


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
