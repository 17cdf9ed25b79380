"""Keepalive pings that come too often: the interval that is allowed is named to both sides."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest

from speechtune_client.errors import translated
from speechtune_server.grpc_door.socket import server_options
from tests.support.serving import config_of


@pytest.mark.parametrize("details", ["Too many pings", "GOAWAY received; debug data: too_many_pings"])
def test_a_client_that_pings_too_often_is_told_what_is_allowed(details):
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details)
    assert "10 s unless configured" in str(translated(error))
    assert "limits.min_ping_interval" in str(translated(error))


def test_a_server_whose_interval_sends_our_clients_away_says_so_at_start(caplog):
    server_options(config_of())
    assert caplog.text == ""
    server_options(config_of(min_ping_interval_seconds=60.0))
    assert "min_ping_interval_seconds is 60, and the clients of this project ping every 30 s" in caplog.text
