"""An interrupt of a verb that takes long: one sentence, the exit code of an interrupt, and nothing half written."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile

from speechtune.cli.app import run
from speechtune.cli.terminal import progress
from speechtune.training.stages import Progress
from tests.support.clips import make_folder, word_like
from tests.support.encoders import save_random_model
from tests.support.speech import REPOSITORY

FAST = ("--set", "augment.copies=1", "--set", "head.background_speech=0")
TUNED = ("--set", "tune.method=full", "--set", "tune.augment.copies=1", "--set", "tune.save_every=1")


OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # its Ctrl-C reaches this session
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips, an encoder, a checkpoint and a long recording."""
    folder = tmp_path_factory.mktemp("interrupts")
    save_random_model("whisper", folder / "encoder")
    make_folder(folder / "clips", {"yes": 4, "no": 4, "cat": 4})
    soundfile.write(folder / "tape.wav", word_like(1, 320_000), 16_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["finetune", "clips", "--keywords", "yes,no", "--encoder", "encoder", "--out", "model", *FAST]) == 0
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interrupt_at(monkeypatch: pytest.MonkeyPatch, stage: str, step: int = 1) -> None:
    """Let Ctrl-C be pressed when the verb tells that this step of a stage is done, or the stage's only one begins."""

    @contextmanager
    def bars() -> Iterator[Progress]:
        def report(told: str, done: int, total: int) -> None:
            if told == stage and (done >= step or total == 1):
                signal.raise_signal(signal.SIGINT)

        yield report

    monkeypatch.setattr(progress, "progress_bars", bars)


FINETUNE = ["finetune", "clips", "--keywords", "yes,no", "--encoder", "encoder", *FAST]
EVALUATE = ["evaluate", "model", "clips", "--out", "report"]
INSPECT = ["inspect", "clips", "--encoder", "none", "--out", "inspection"]


@pytest.mark.parametrize(
    ("arguments", "stage", "sentence"),
    [
        ([*FINETUNE, "--out", "new"], "embed", "interrupted; new is not written"),
        ([*FINETUNE, "--out", "new"], "cross-fit", "interrupted; new is not written"),
        ([*FINETUNE, "--out", "model"], "train head", "interrupted; model is as it was"),
        ([*EVALUATE], "evaluate", "interrupted; nothing is written to report"),
        ([*EVALUATE], "intervals", "interrupted; nothing is written to report"),
        ([*EVALUATE], "write report", "interrupted; nothing is written to report"),
        ([*EVALUATE, "--conditions"], "conditions", "interrupted; nothing is written to report"),
        ([*EVALUATE, "--stream", "tape.wav"], "listen", "interrupted; nothing is written to report"),
        (INSPECT, "inspect", "interrupted; nothing is written"),
        (["export", "model", "--out", "model.onnx"], "export", "interrupted; model.onnx is not written"),
        (["export", "model", "--out", "model.onnx"], "load checkpoint", "interrupted; model.onnx is not written"),
    ],
)
def test_an_interrupted_verb_says_what_is_left_and_leaves_nothing_half_written(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    stage: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(place)
    before = files_of(place)
    interrupt_at(monkeypatch, stage)
    assert run(arguments) == 130
    assert capsys.readouterr().err.strip() == f"speechtune: {sentence}"
    assert files_of(place) == before
    assert not [path for path in place.iterdir() if path.name.startswith((".", "report", "new", "inspection"))]


def test_an_interrupted_repair_leaves_the_inspection_and_no_folder(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "inspection"
    arguments = ["inspect", str(place / "clips"), "--encoder", "none", "--out", str(out), "--fix"]
    with monkeypatch.context() as patch:
        interrupt_at(patch, "repair")
        assert run(arguments) == 130
    assert capsys.readouterr().err.strip().endswith(f"speechtune: interrupted; {out / 'fixed'} is not written")
    assert sorted(path.name for path in out.iterdir()) == ["inspection.html", "inspection.json"]
    assert run(arguments) == 0
    assert (out / "fixed" / "manifest.jsonl").is_file()


def test_an_interrupted_search_goes_on_with_the_trials_that_are_over(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "recipe.toml"
    fast = [*FAST, "--set", f"encoder.name={place / 'encoder'}", "--set", "head.running_speech=0"]
    arguments = ["search", str(place / "clips"), "--keywords", "yes,no", "--trials", "2", "--out", str(out), *fast]
    with monkeypatch.context() as patch:
        interrupt_at(patch, "search")
        assert run(arguments) == 130
    told = capsys.readouterr().err.strip()
    assert told.startswith(f"speechtune: interrupted; {out} is not written; the trials that are over are in ")
    assert not out.exists()
    assert run(arguments) == 0
    assert "3 trials" in capsys.readouterr().out


def test_an_interrupted_encoder_phase_says_that_it_can_be_gone_on_from(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*FINETUNE, "--out", str(tmp_path / "tuned"), *TUNED]
    monkeypatch.chdir(place)
    with monkeypatch.context() as patch:
        interrupt_at(patch, "tune encoder", step=2)
        assert run(arguments) == 130
    told = capsys.readouterr().err
    assert "run the same command again to go on from the last saved step of the encoder" in told
    assert [path.name for path in tmp_path.iterdir()] == [".tuned.training"]
    assert run(arguments) == 0
    assert "went on from step" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]


def test_ctrl_c_in_a_terminal_ends_a_run_that_shows_bars(place: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = [*FINETUNE, "--out", str(tmp_path / "new"), "--set", "augment.copies=200"]
    sources = os.pathsep.join(str(REPOSITORY / part) for part in (".", "server", "proto"))
    process = subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL, sys.executable, "-m", "speechtune", *arguments],
        cwd=place,
        env=os.environ | {"PYTHONPATH": sources, "TERM": "xterm", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = _read_until(ours, "embed")
        os.write(ours, b"\x03")
        shown += _read_until(ours, None)
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert "speechtune: interrupted; " in shown
    assert "Traceback" not in shown
    assert list(tmp_path.iterdir()) == []


def _read_until(descriptor: int, text: str | None) -> str:
    """What is shown, as far as `text`, or to the end."""
    shown = ""
    while text is None or text not in shown:
        try:
            read = os.read(descriptor, 1 << 12)
        except OSError:  # the other side is closed
            read = b""
        if not read:
            assert text is None, shown
            break
        shown += read.decode(errors="replace")
    return shown
