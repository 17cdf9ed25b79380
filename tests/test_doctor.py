"""One page about this machine to paste into an issue: what is there, what is missing, and nobody's name or path."""

from __future__ import annotations

import os
import re
from importlib import metadata
from pathlib import Path

import pytest

import speechtune
from speechtune import doctor
from speechtune.cli.app import run
from speechtune.doctor import as_text, examine
from speechtune.extras import EXTRAS
from speechtune.streaming.voice import activity


@pytest.fixture(autouse=True)
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests look at what takes no seconds."""
    monkeypatch.setattr(doctor, "_torch", lambda: "not looked for")


def found() -> dict[str, dict[str, str]]:
    return {section.heading: dict(section.rows) for section in examine("1.2.3")}


def test_the_page_tells_versions_machine_devices_packages_and_extras(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["doctor"]) == 0
    page = capsys.readouterr().out
    assert re.findall("^## (.*)$", page, flags=re.MULTILINE) == [
        *("speechtune", "Machine", "Devices", "Models", "Packages", "Extras"),
    ]
    assert f"- version: {speechtune.__version__}" in page
    assert f"- numpy: {metadata.version('numpy')}" in page
    assert "- ONNX Runtime: " in page
    assert str(Path.home()) not in page
    assert os.getcwd() not in page


def test_cores_and_instructions_are_those_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Fast One\nflags\t\t: fpu avx2 made_up amx_int8\n\nmodel name\t: Another\n"
    )
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    monkeypatch.setattr(doctor, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(doctor, "_CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5}, raising=False)
    machine = found()["Machine"]
    assert machine["processor"].startswith("Fast One (")
    assert machine["instructions"] == "avx2, amx_int8"
    assert machine["cores"].startswith("3 for this process, ")
    assert machine["cores"].endswith(", limited to 1.5")


def test_a_processor_of_arm_is_told_by_its_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\n")
    monkeypatch.setattr(doctor, "_CPU_INFO", tmp_path / "cpuinfo")
    assert found()["Machine"]["instructions"] == "asimd, asimddp"
    monkeypatch.setattr(doctor, "_CPU_INFO", tmp_path / "none")
    assert found()["Machine"]["instructions"] == "not known"


def test_what_is_missing_comes_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "rooms", ("no_such_package",))
    monkeypatch.setitem(EXTRAS, "media", ("json",))
    monkeypatch.setattr(activity, "_MODEL_PACKAGE", "no_such_package")
    told = found()
    assert told["Extras"]["rooms"] == "lacks no_such_package; run: pip install 'speechtune[rooms]'"
    assert told["Extras"]["media"] == "there"
    assert "pip install" in told["Models"]["voice activity"]


def test_packages_of_another_version_or_none_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["numpy>=9000", "no-such-package>=1", 'left-out; extra == "train"', 'ruff; extra == "dev"', "rich"]
    monkeypatch.setattr(doctor, "requires", lambda _: asked)
    assert found()["Packages"] == {
        "numpy": f"{metadata.version('numpy')}, and >=9000 is asked for",
        "no-such-package": "not installed; run: pip install speechtune",
        "rich": metadata.version("rich"),
    }


def test_from_source_it_tells_that_packages_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(_: str) -> list[str]:
        raise metadata.PackageNotFoundError("speechtune")

    monkeypatch.setattr(doctor, "requires", not_there)
    assert "runs from its source" in found()["Packages"]["speechtune"]


def test_the_text_is_markdown() -> None:
    assert as_text([doctor.Section("A", (("b", "c"),))]) == "## A\n\n- b: c\n"
