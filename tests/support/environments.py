"""Environments of their own, with nothing in them but a wheel of ours and what it asks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.speech import REPOSITORY

_NOT_TAKEN = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
"""Variables that it does without: nothing of the repository is found, and what is imported twice is compiled once."""
_UNREACHABLE = re.compile(r"network|dns|connect|timed? ?out|sending request|failed to fetch|offline", re.IGNORECASE)


def built_wheel(project: Path, folder: Path) -> Path:
    """The wheel of a project, built into `folder`."""
    wheels = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed (extra `dev`)")
    return Path(next(wheels.WheelBuilder(str(project)).build(directory=str(folder), versions=["standard"])))


class BareEnvironment:
    """A virtual environment with one wheel and its dependencies, as the constraints pin them."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        """Make it; the test is skipped where there is no uv, or where the package index cannot be reached."""
        if find_spec("uv") is None:
            pytest.skip("uv is not installed (make setup installs it)")
        self.folder = folder
        self._uv("venv", "--python", sys.executable, str(folder))
        constraints = str(REPOSITORY / "constraints.txt")
        self._uv("pip", "install", "--python", str(self.program("python")), "--constraint", constraints, str(wheel))
        self.num_bytes = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
        """What its files hold, as they were installed."""

    def program(self, name: str) -> Path:
        """Place of a program in it."""
        return self.folder / "bin" / name

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of its processes."""
        return {name: value for name, value in os.environ.items() if name not in _NOT_TAKEN}

    def run(self, *command: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a program of it in its folder, and see to it that it ends as it should."""
        done = subprocess.run(
            [str(self.program(command[0])), *command[1:]],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=dict(self.environment),
            check=False,
            timeout=100,
        )
        assert done.returncode == exit_code, done.stderr
        return done

    def _uv(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "uv", *arguments, "--quiet"],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        if done.returncode and _UNREACHABLE.search(done.stderr):
            pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
