"""TLS and mutual TLS: whose certificates are taken, and what a renewal or an expiry does to a running server."""

from __future__ import annotations

import os

import pytest

from speechtune.errors import ConfigError
from speechtune_client import AsyncCommandClient, CommandClient, Tls
from speechtune_client.errors import UnavailableError
from speechtune_server.app import RecognitionServer
from tests.support.certificates import Authority, needs_openssl
from tests.support.serving import COMMANDS_CONTENT, asynchronous, config_of, running_server
from tests.support.streaming import LoudnessActivity, cut

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.made(tmp_path_factory.mktemp("authority") / "ours")


@pytest.fixture
def own(authority, tmp_path):
    certificate, key = authority.issue(tmp_path / "server", "server")
    return {"certificate": certificate, "private_key": key}


def client_of(server, authority, *own_files, call_timeout=5.0):
    chain, key = (path.read_bytes() for path in own_files) if own_files else (None, None)
    return AsyncCommandClient(
        server.address, timeout=call_timeout, tls=Tls(authority.certificate.read_bytes(), chain, key)
    )


async def refused(client):
    async with client:
        with pytest.raises(UnavailableError):
            await client.server_info()


@asynchronous
async def test_a_stream_over_tls_hears_what_it_hears_without(own, authority):
    async with running_server(**own) as server, client_of(server, authority) as client:
        heard = [event async for event in client.stream(cut(COMMANDS_CONTENT, [3_200] * 30))]
    assert [event.label for event in heard if event.event == "detection"] == ["low", "high"]


@asynchronous
async def test_neither_plaintext_nor_an_unknown_authority_gets_through(own, authority, tmp_path):
    stranger = Authority.made(tmp_path / "stranger")
    async with running_server(**own) as server:
        await refused(AsyncCommandClient(server.address, timeout=1.0))
        await refused(client_of(server, stranger, call_timeout=1.0))


@asynchronous
async def test_mutual_tls_takes_the_clients_of_its_authority_and_nobody_else(own, authority, tmp_path):
    ours = authority.issue(tmp_path / "client", "kitchen")
    expired = authority.issue(tmp_path / "client", "old kitchen", expired=True)
    theirs = Authority.made(tmp_path / "stranger").issue(tmp_path / "stranger" / "client", "kitchen")
    async with running_server(**own, client_authorities=authority.certificate) as server:
        async with client_of(server, authority, *ours) as client:
            assert (await client.server_info()).default_model == "home"
        await refused(client_of(server, authority, call_timeout=1.0))
        await refused(client_of(server, authority, *theirs, call_timeout=1.0))
        await refused(client_of(server, authority, *expired, call_timeout=1.0))


def renew(authority, own, expired=False):
    authority.issue(own["certificate"].parent, "server", expired=expired)
    for path in own.values():  # the clock of a file system may be coarser than this test is quick
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000_000))


@asynchronous
async def test_an_expired_certificate_is_refused_by_clients_and_its_renewal_needs_no_restart(authority, tmp_path):
    certificate, key = authority.issue(tmp_path / "server", "server", expired=True)
    own = {"certificate": certificate, "private_key": key}
    async with running_server(**own) as server:
        await refused(client_of(server, authority, call_timeout=1.0))
        renew(authority, own)
        async with client_of(server, authority) as client:
            assert (await client.server_info()).default_model == "home"


@asynchronous
async def test_a_stream_goes_on_while_its_servers_certificate_expires_and_is_renewed(own, authority):
    async with running_server(**own) as server, client_of(server, authority) as client:
        events = client.stream(cut(COMMANDS_CONTENT, [3_200] * 30))
        first = await anext(events)
        renew(authority, own, expired=True)
        rest = [event.event async for event in events]
    assert (first.event, rest[-1]) == ("started", "ended")


@asynchronous
async def test_a_renewal_that_is_half_done_leaves_the_last_good_certificate_in_force(own, authority, tmp_path, caplog):
    async with running_server(**own) as server:
        _, other_key = authority.issue(tmp_path / "other", "other")
        good_key = own["private_key"].read_bytes()
        own["private_key"].write_bytes(other_key.read_bytes())  # the key came, the certificate has not yet
        os.utime(own["private_key"], ns=(0, 1))
        async with client_of(server, authority) as client:
            await client.server_info()
        assert "stays in force" in caplog.text
        own["private_key"].write_bytes(good_key)
        async with client_of(server, authority) as client:
            await client.server_info()


def test_files_that_cannot_be_used_are_told_at_the_start(own, authority, tmp_path):
    _, other_key = authority.issue(tmp_path / "other", "other")
    for wrong, hint in (
        ({"private_key": other_key}, "cannot be used together"),
        ({"certificate": tmp_path / "none.pem"}, r"none\.pem"),
        ({"client_authorities": own["private_key"]}, "cannot be used together"),
    ):
        starts_with(own | wrong, hint)


@asynchronous
async def starts_with(settings, hint):
    with pytest.raises(ConfigError, match=hint):
        await RecognitionServer(config_of(**settings), load_activity=LoudnessActivity).start()


def test_a_client_needs_both_halves_of_its_certificate():
    with pytest.raises(ValueError, match="or neither"):
        CommandClient("127.0.0.1:1", tls=Tls(certificate_chain=b"half"))
