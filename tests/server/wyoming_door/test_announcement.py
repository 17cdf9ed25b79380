"""The announcement in the local network, as Home Assistant looks for it; on the loopback interface alone."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from zeroconf import NonUniqueNameException
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from speechtune.errors import ConfigError
from speechtune_server.app import RecognitionServer
from speechtune_server.wyoming_door.announcement import SERVICE, Announcement, way_out
from tests.support.serving import asynchronous, config_of, running_server, until
from tests.support.streaming import LoudnessActivity

HERE = ["127.0.0.1"]


@asynchronous
async def test_the_network_is_told_and_the_word_is_taken_back():
    told = []
    listener = AsyncZeroconf(interfaces=HERE)
    browser = AsyncServiceBrowser(
        listener.zeroconf,
        SERVICE,
        handlers=[lambda zeroconf, service_type, name, state_change: told.append((name, state_change.name))],
    )
    announcement = Announcement("kitchen test", "127.0.0.1", 10_400, HERE)
    try:
        await announcement.start()
        name = f"kitchen test.{SERVICE}"
        await until(lambda: (name, "Added") in told)
        info = await listener.async_get_service_info(SERVICE, name)
        assert (info.port, info.parsed_addresses()) == (10_400, ["127.0.0.1"])
        await announcement.stop()
        await until(lambda: (name, "Removed") in told)
    finally:
        await announcement.stop()
        await browser.async_cancel()
        await listener.async_close()


@asynchronous
async def test_a_name_that_somebody_else_has_is_said_at_the_start(monkeypatch):
    async def taken(self, info):
        raise NonUniqueNameException

    monkeypatch.setattr(AsyncZeroconf, "async_register_service", taken)
    with pytest.raises(ConfigError, match="another service is called 'kitchen test'"):
        await Announcement("kitchen test", "127.0.0.1", 10_400, HERE).start()


@asynchronous
async def test_a_network_that_cannot_be_told_is_said_at_the_start(monkeypatch):
    def fails(*_arguments, **_settings):
        raise OSError(19, "No such device")

    monkeypatch.setattr("speechtune_server.wyoming_door.announcement.AsyncZeroconf", fails)
    with pytest.raises(ConfigError, match="No such device"):
        await Announcement("kitchen test", "127.0.0.1", 10_400).start()


@asynchronous
async def test_a_server_tells_its_real_port_and_takes_it_back_when_it_stops(monkeypatch):
    told = []

    class Recorded(Announcement):
        async def start(self):
            told.append((self._name, self._host, self._port))

        async def stop(self):
            told.append("taken back")

    monkeypatch.setattr("speechtune_server.wyoming_door.announcement.Announcement", Recorded)
    settings = {"wyoming_uri": "tcp://0.0.0.0:0", "wyoming_zeroconf": "kitchen", "allow_plaintext": True}
    async with running_server(**settings) as server:
        port = int(server.doors.addresses["wyoming"].rpartition(":")[2])
        assert told == [("kitchen", "0.0.0.0", port)]
    assert told[1:] == ["taken back"]


@pytest.mark.parametrize(("module", "hint"), [("server", "wyoming_uri"), ("announcement", "wyoming_zeroconf")])
@asynchronous
async def test_without_its_packages_the_door_says_what_to_install(module, hint, monkeypatch):
    monkeypatch.setitem(sys.modules, f"speechtune_server.wyoming_door.{module}", None)
    settings = {"wyoming_uri": "tcp://0.0.0.0:0", "wyoming_zeroconf": "kitchen", "allow_plaintext": True}
    with pytest.raises(ConfigError, match=rf"{hint}.*pip install 'speechtune\[wyoming\]'"):
        await RecognitionServer(config_of(**settings), load_activity=LoudnessActivity).start()


def test_the_way_out_is_an_address_of_this_machine():
    try:
        address = way_out()
    except OSError:
        pytest.skip("this machine has no network")
    assert socket.inet_aton(address)
    asyncio.run(_listens(address))


async def _listens(address):
    server = await asyncio.start_server(lambda reader, writer: None, address, 0)
    server.close()
