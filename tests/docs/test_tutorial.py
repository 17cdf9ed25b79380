"""The tutorial's commands do what it says, on a small encoder of random weights; the others say what they need."""

from __future__ import annotations

import glob
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from speechtune.cli.app import run
from tests.support.documents import page
from tests.support.encoders import save_random_model

TUTORIALS = ("docs/tutorial.md", "docs/tutorial.ko.md")
QUICK = (
    *("augment.copies=1", "calibration.folds=2", "head.max_iterations=5", "head.silence_clips=5"),
    *("head.command_parts=1", "head.running_speech=0", "head.background_speech=0"),
)


@pytest.mark.parametrize("name", TUTORIALS)
def test_every_command_is_run_or_says_what_it_needs(name: str) -> None:
    marks = [block.mark for block in page(name).blocks if block.command_lines]
    assert marks.count("run") >= 5
    assert all(mark == "run" or mark.startswith("needs: ") for mark in marks)


@pytest.mark.skipif(find_spec("espeakng_loader") is None, reason="no synthesiser is installed (extra `demo`)")
def test_the_commands_of_the_tutorial_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_random_model("whisper", Path("encoder"))
    for block in page("docs/tutorial.md").blocks:
        for line in block.command_lines if block.mark == "run" else ():
            program, verb, *words = shlex.split(line)
            assert program == "speechtune"
            arguments = [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else [word])]
            if verb == "inspect":
                arguments += ["--encoder", "none"]
            if verb == "finetune":
                arguments += ["--encoder", "encoder", *(part for one in QUICK for part in ("--set", one))]
            assert run([verb, *arguments]) == 0, line
    assert (tmp_path / "model" / "weights.safetensors").is_file()
    assert (tmp_path / "report" / "report.html").is_file()
