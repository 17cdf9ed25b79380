"""The demo as those who installed a wheel run it; its stages are the verbs, which other tests run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from speechtune import demo
from speechtune.cli.app import run
from speechtune.extras import EXTRAS
from tests.support.clips import make_folder


def test_a_stage_that_fails_ends_the_demo_with_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages: list[str] = []

    def failing(command: list[str], **_: Any) -> None:
        stages.append(command[3])
        raise subprocess.CalledProcessError(7, command)

    monkeypatch.setattr(subprocess, "run", failing)
    make_folder(tmp_path / "mine", {"yes": 3, "no": 3})
    monkeypatch.setattr(demo, "_own_data", lambda out, own: demo.DemoData(own, own, own, ("yes", "no")))
    assert run(["demo", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "mine")]) == 7
    assert stages == ["finetune"]
    assert "2/6 fine-tune" in capsys.readouterr().out


def test_what_it_lacks_and_where_it_cannot_write_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(["demo", "--out", str(tmp_path / "file")]) == 2
    assert "name a folder" in capsys.readouterr().err
    monkeypatch.setitem(EXTRAS, "demo", ("no_such_package",))
    assert run(["demo", "--out", str(tmp_path / "out")]) == 2
    assert "pip install 'speechtune[train,demo]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
