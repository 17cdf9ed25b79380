"""One version, semantic, with its changes written down; packages that say that they are typed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import speechtune
from tests.support.speech import REPOSITORY

SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
CHANGES = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")


def project(path: Path) -> dict[str, object]:
    table: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return table


def test_the_version_is_semantic_and_stands_in_one_place() -> None:
    assert SEMANTIC.fullmatch(speechtune.__version__)
    assert project(REPOSITORY / "pyproject.toml")["dynamic"] == ["version"]
    assert project(REPOSITORY / "proto" / "pyproject.toml")["version"] == speechtune.__version__


def test_the_changes_of_this_version_are_written_down_and_newer_ones_stand_above() -> None:
    versions = re.findall(r"^## (\S+)", CHANGES, flags=re.MULTILINE)
    released = [version for version in versions if version != "Unreleased"]
    assert released[0] == speechtune.__version__
    assert versions[-len(released) :] == released
    assert all(SEMANTIC.fullmatch(version) for version in released)
    numbers = [tuple(map(int, version.split("-")[0].split("."))) for version in released]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("package", ["speechtune", "server/speechtune_server", "proto/speechtune_client"])
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (REPOSITORY / package / "py.typed").is_file()
