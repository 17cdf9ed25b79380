"""The channel's settings, shared by both clients.

Keepalive is a pair: the client pings every `KEEPALIVE_TIME_MS`, also between calls, so that routers keep the connection
and a dead one is noticed within `KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS`; the server lets pings come as often as its
`min_ping_interval` (10 s unless configured), which must stay below `KEEPALIVE_TIME_MS`, or it closes the connection.
"""

from __future__ import annotations

from typing import Any

DEFAULT_ADDRESS = "127.0.0.1:50551"
KEEPALIVE_TIME_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

READY_POLL_SECONDS = 0.1
