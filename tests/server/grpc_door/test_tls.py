"""TLS and mutual TLS: whose certificates are taken, and what a renewal or an expiry does to a running server."""

from __future__ import annotations

import asyncio
import os
import re
import time
import urllib.request

import pytest

from speechtune.errors import ConfigError
from speechtune_client import AsyncCommandClient, CommandClient, Tls
from speechtune_client.errors import UnavailableError
from speechtune_server.app import RecognitionServer
from speechtune_server.grpc_door.health import CERTIFICATE
from speechtune_server.grpc_door.health_probe import probe
from speechtune_server.process.certificate_times import validity_of
from speechtune_server.process.certificates import CertificateFiles
from tests.support.certificates import EXPIRED, TO_COME, Authority, needs_openssl
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
    expired = authority.issue(tmp_path / "client", "old kitchen", EXPIRED)
    theirs = Authority.made(tmp_path / "stranger").issue(tmp_path / "stranger" / "client", "kitchen")
    async with running_server(**own, client_authorities=authority.certificate) as server:
        async with client_of(server, authority, *ours) as client:
            assert (await client.server_info()).default_model == "home"
        await refused(client_of(server, authority, call_timeout=1.0))
        await refused(client_of(server, authority, *theirs, call_timeout=1.0))
        await refused(client_of(server, authority, *expired, call_timeout=1.0))


def renew(authority, own, dates=()):
    authority.issue(own["certificate"].parent, "server", dates)
    for path in own.values():  # the clock of a file system may be coarser than this test is quick
        os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000_000))


@asynchronous
async def test_an_expired_certificate_is_refused_by_clients_and_its_renewal_needs_no_restart(authority, tmp_path):
    certificate, key = authority.issue(tmp_path / "server", "server", EXPIRED)
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
        renew(authority, own, EXPIRED)
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


@asynchronous
async def test_an_expired_or_early_certificate_never_replaces_a_good_one(own, authority, caplog):
    async with running_server(**own) as server:
        for dates, said in ((EXPIRED, "expired on 2020-02-01"), (TO_COME, "is not valid before 2090-01-01")):
            caplog.clear()
            renew(authority, own, dates)
            async with client_of(server, authority) as client:
                assert (await client.server_info()).default_model == "home"
            assert said in caplog.text
            assert "the last certificate stays in force" in caplog.text


@asynchronous
async def test_a_certificate_that_soon_ends_is_told_in_log_health_and_metrics(own, authority, caplog):
    async with running_server(**own, metrics_address="127.0.0.1:0") as server:  # it ends in two days
        assert "ends in 2.0 days; renew it" in caplog.text
        root = authority.certificate.read_bytes()
        status = await asyncio.to_thread(probe, server.address, root, name="localhost", service=CERTIFICATE)
        assert status == "NOT_SERVING"
        assert await asyncio.to_thread(probe, server.address, root, name="localhost") == "SERVING"
        with urllib.request.urlopen(f"http://127.0.0.1:{server._metrics.port}/metrics") as page:
            told = page.read().decode()
        assert (
            170_000 < float(re.search(r"^speechtune_certificate_seconds_left (.*)$", told, re.MULTILINE)[1]) <= 172_800
        )


def test_a_certificate_is_told_of_once_a_day_in_its_last_week(own, caplog):
    times = {"now": time.time()}
    tls = CertificateFiles(own["certificate"], own["private_key"], None, lambda: times["now"])
    assert caplog.text.count("ends in") == 1
    for hours, told in ((1, 1), (25, 2), (26, 2), (60, 3)):
        times["now"] = time.time() + hours * 3_600
        assert not tls.look()
        assert caplog.text.count("renew it") == told
    assert "expired on" in caplog.text
    assert tls.seconds_left < 0
    times["now"] = time.time() - 10 * 86_400
    assert not tls.look()
    assert "is not valid before" in caplog.text


def test_the_times_of_a_chain_are_those_of_its_shortest_certificate(own, authority, tmp_path):
    short, _ = authority.issue(tmp_path / "short", "short", EXPIRED)
    assert validity_of(short.read_text()) == (1_577_836_800.0, 1_580_515_200.0)
    chain = own["certificate"].read_text() + short.read_text()
    assert validity_of(chain).not_after == 1_580_515_200.0
    assert validity_of(chain).not_before > 1_580_515_200.0
    for text in ("", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"):
        with pytest.raises(ValueError, match="certificate"):
            validity_of(text)


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
