"""Packages of npm that examples need, installed once for every version of a package.json."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.speech import REPOSITORY


def node_modules(description: Path) -> Path:
    """The folder `node_modules` of a package.json; the test is skipped where npm is not there or cannot fetch them."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    content = description.read_bytes()
    folder = REPOSITORY / ".cache" / f"node-{hashlib.sha256(content).hexdigest()[:16]}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_bytes(content)
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=90)
        if done.returncode:
            pytest.skip(f"npm cannot install the example's packages: {done.stderr.strip().splitlines()[-1:]}")
        (folder / "complete").touch()
    return folder / "node_modules"
