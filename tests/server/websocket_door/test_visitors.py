"""Which pages may connect, by which name."""

from __future__ import annotations

import pytest

from speechtune.errors import ConfigError, NotPermittedError
from speechtune_server.process.config import server_config
from speechtune_server.websocket_door.visitors import Visitors


def is_let_in(visitors, host, origin):
    try:
        visitors.check(host, origin)
    except NotPermittedError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("127.0.0.1:50552", None, True),
        ("localhost:50552", "http://localhost:8000", True),
        ("LOCALHOST", "http://localhost", True),
        ("[::1]:50552", "http://[::1]:3000", True),
        ("192.168.1.5:50552", "http://192.168.1.5", True),
        ("192.168.1.5:50552", "http://192.168.1.6", False),
        ("localhost:50552", "http://127.0.0.1:8000", False),
        ("localhost:50552", "https://example.org", False),
        ("localhost:50552", "http://localhost.example.org", False),
        ("localhost:50552", "null", False),
        ("localhost:50552", "", False),
        ("localhost:50552", "http://[", False),
        ("example.org", "http://example.org", False),
        ("example.org", None, False),
        ("127.0.0.1.example.org", None, False),
        ("", None, False),
        ("[", None, False),
        ("127.0.0.1:50552@example.org", None, False),
    ],
)
def test_without_settings_only_pages_of_our_own_address_connect(host, origin, expected):
    assert is_let_in(Visitors(), host, origin) is expected


def test_named_origins_and_hosts_are_let_in_and_no_others():
    visitors = Visitors(("https://example.org", "null"), ("speech.home",))
    assert is_let_in(visitors, "speech.home:50552", "https://example.org")
    assert is_let_in(visitors, "Speech.Home", "HTTPS://EXAMPLE.ORG")
    assert is_let_in(visitors, "localhost", "null")
    assert not is_let_in(visitors, "speech.home", "http://example.org")
    assert not is_let_in(visitors, "speech.home", "https://example.org:8443")
    assert not is_let_in(visitors, "other.home", "https://example.org")
    assert is_let_in(Visitors(("*",)), "localhost", "https://anybody.example")


def test_under_tls_every_name_is_ours_for_the_certificate_stands_for_it():
    assert is_let_in(Visitors(any_host=True), "speech.example.org", "https://speech.example.org")
    assert not is_let_in(Visitors(any_host=True), "speech.example.org", "https://example.org")


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://example.org/page", "", "https://"])
def test_an_origin_that_no_browser_sends_is_refused_as_a_setting(origin):
    with pytest.raises(ConfigError, match="origin"):
        server_config(models={"home": "home"}, websocket_origins=[origin])


def test_beyond_this_machine_the_door_asks_for_tls_as_the_other_does():
    with pytest.raises(ConfigError, match="websocket_address"):
        server_config(models={"home": "home"}, websocket_address="0.0.0.0:50552")
    server_config(models={"home": "home"}, websocket_address="0.0.0.0:50552", allow_plaintext=True)
