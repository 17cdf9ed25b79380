"""How the program ends: what is said of errors of the system and of an interrupt, and with which code."""

from __future__ import annotations

import errno

import pytest

from speechtune.cli.app import run
from speechtune.data.sets import loading

LONG = "x" * 300


@pytest.mark.parametrize("command", [["inspect", "LONG"], ["finetune", "LONG", "--out", "never"], ["info", "LONG"]])
def test_a_path_that_the_system_refuses_is_the_input_s_fault(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([argument.replace("LONG", LONG) for argument in command]) == 2
    assert capsys.readouterr().err == f"speechtune: {LONG}: File name too long; correct the path, or who may use it\n"


def test_an_error_of_the_system_that_names_no_file_stays_ours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loading, "load_clips", full)
    assert run(["inspect", "clips"]) == 1
    assert "internal error: OSError" in capsys.readouterr().err


def test_an_interrupt_is_told_and_ends_as_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "load_clips", interrupt)
    assert run(["split", "clips", "--out", "clips.jsonl"]) == 130
    assert capsys.readouterr().err.strip() == "speechtune: interrupted"
    assert run(["inspect", "clips"]) == 130
    assert capsys.readouterr().err.strip() == "speechtune: interrupted; nothing is written"
