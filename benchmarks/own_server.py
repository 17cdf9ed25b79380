"""A server in a process of its own on a free loopback port, for benchmarks; it ends with the block that asked."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class OwnServer:
    """A running server; `exit_code` is known once the block is left."""

    address: str
    process: psutil.Process
    exit_code: int | None = None


def free_address() -> str:
    """A loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def own_server(
    checkpoint: Path, backend: str, max_streams: int, python: str = sys.executable, **settings: str
) -> Iterator[OwnServer]:
    """Serve a checkpoint as `home`; at the end the server is asked to stop, and made to after half a minute.

    Another `python` than this one finds nothing but what is installed beside it. `settings` are further ones of the
    server.
    """
    address = free_address()
    lines = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "serve.toml"
        config.write_text(
            f'address = "{address}"\nbackend = "{backend}"\nmax_streams = {max_streams}\n'
            f"max_streams_per_client = {max_streams}\n"
            f'log_level = "warning"\n{lines}[models]\nhome = "{checkpoint.resolve()}"\n'
        )
        environment = dict(os.environ)
        if python != sys.executable:
            environment.pop("PYTHONPATH", None)
        command = [python, "-m", "speechtune", "serve", "--config", str(config)]
        # From the folder of its settings: Python would find the repository in this one.
        place = None if python == sys.executable else folder
        process = subprocess.Popen(command, env=environment, cwd=place)
        server = OwnServer(address, psutil.Process(process.pid))
        try:
            yield server
            process.terminate()
            server.exit_code = process.wait(30)
        finally:
            process.kill()
            process.wait()
