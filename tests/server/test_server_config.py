"""The server's settings, and what is refused of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechtune.errors import ConfigError
from speechtune_server.process.config import DEFAULT_ADDRESS, host_and_port, server_config

HOME = {"home": Path("home")}


def test_defaults_listen_on_loopback_only():
    config = server_config(models=HOME)
    assert config.address == DEFAULT_ADDRESS == "127.0.0.1:50551"
    assert config.max_stream_seconds is None
    assert config.default_model_name == "home"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({}, "models"),
        ({"models": {}}, "models"),
        ({"models": {"a@b": Path("x")}}, "a@b"),
        ({"models": {"../x": Path("x")}}, "../x"),
        ({"models": {"": Path("x")}}, "models"),
        ({"models": HOME, "default_model": "garden"}, "garden"),
        ({"models": HOME, "max_batch": 0}, "max_batch"),
        ({"models": HOME, "max_streams": -1}, "max_streams"),
        ({"models": HOME, "max_wait_ms": "soon"}, "max_wait_ms"),
        ({"models": HOME, "max_strems": 3}, "max_strems"),
        ({"models": HOME, "max_in_flight_seconds": float("nan")}, "max_in_flight_seconds"),
        ({"models": HOME, "address": "localhost"}, "HOST:PORT"),
        ({"models": HOME, "address": "localhost:99999"}, "HOST:PORT"),
        ({"models": HOME, "address": "::1:5"}, "HOST:PORT"),
        ({"models": HOME, "address": "a b:5"}, "HOST:PORT"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings, key):
    with pytest.raises(ConfigError) as caught:
        server_config(**settings)
    assert key in str(caught.value)


def test_the_default_model_can_be_chosen():
    models = {"home": Path("a"), "garden": Path("b")}
    assert server_config(models=models).default_model_name == "home"
    assert server_config(models=models, default_model="garden").default_model_name == "garden"


def test_an_ipv6_host_loses_its_brackets():
    assert host_and_port("[::1]:0") == ("::1", 0)
