"""API keys: who is let in, for what, and how often."""

from __future__ import annotations

import pytest

from speechtune.errors import ConfigError, NotAuthenticatedError, NotPermittedError, ServiceOverloadedError
from speechtune_server.process.access import Access, Scope, new_key, read_keys
from tests.support.clock import ScriptedClock
from tests.support.keys import RECOGNISE


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
