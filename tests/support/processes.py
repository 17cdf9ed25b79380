"""Code in an interpreter of its own, for what is decided once per process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.support.speech import REPOSITORY


def run_python(code: str, *, arguments: Sequence[str] = (), **environment: str) -> str:
    """Run `code` from the repository's root and give what it printed; fails with its errors if it does."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@contextmanager
def scripted_server(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of `tests.support.scripted_server`, which prints its address once it serves; killed at the end."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / part) for part in (".", "server", "proto"))
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.scripted_server", *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
