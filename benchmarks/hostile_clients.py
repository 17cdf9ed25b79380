"""Ten thousand malformed requests and a burst of a thousand connections, against a server in this process.

    python -m benchmarks.hostile_clients [--requests 10000] [--connections 1000] [--seed 1]

Prints one JSON object a part; exits 1 if any call ended as the server's fault.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.support.hostile import connect_at_once, send_malformed
from tests.support.serving import COMMANDS_CONTENT, audio, config, running_server

_OUR_FAULT = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "DATA_LOSS"}


async def malformed(num_requests: int, seed: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {"open_admin": True, "model_folder": Path(folder), "max_streams": 1_000, "max_clips": 1_000}
        async with running_server(**settings) as server:
            start = time.monotonic()
            statuses = await send_malformed(server.address, num_requests, seed)
            seconds = time.monotonic() - start
            while server.admission.num_calls:
                await asyncio.sleep(0.01)
    return {"part": "malformed requests", "requests": num_requests, "statuses": statuses, "seconds": round(seconds, 1)}


async def burst(num_connections: int) -> dict[str, object]:
    first, second = (message.SerializeToString() for message in (config(), audio(COMMANDS_CONTENT)))
    async with running_server(max_streams=64) as server:
        start = time.monotonic()
        statuses = await connect_at_once(server.address, num_connections, first, second)
        seconds = time.monotonic() - start
        while server.admission.num_calls:
            await asyncio.sleep(0.01)
    return {"part": "burst", "connections": num_connections, "statuses": statuses, "seconds": round(seconds, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * given.connections + 256
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    reports = [asyncio.run(malformed(given.requests, given.seed)), asyncio.run(burst(given.connections))]
    for report in reports:
        print(json.dumps(report))
    return int(any(_OUR_FAULT & set(report["statuses"]) for report in reports))  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
