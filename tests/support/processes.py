"""Code in an interpreter of its own, for what is decided once per process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence

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
