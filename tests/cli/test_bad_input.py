"""What users give by mistake: one clear line, exit code 2, and nothing changed on disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from speechtune import whole_files
from speechtune.cli.app import run
from speechtune.data.sets.clips import fingerprint
from speechtune.data.sets.loading import load_clips
from speechtune.evaluation.answers.files import save_predictions
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.streaming.voice import activity
from speechtune.training import finetune as finetuning
from tests.support.answers import predictions_of, sure
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint
from tests.support.streaming import LoudnessActivity

TRUE_LINE = '{"clip": "a", "truth": "yes", "posteriors": {"yes": 0.9, "no": 0.1}}\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good things and bad ones; no test may change it."""
    root = tmp_path_factory.mktemp("place")
    save_checkpoint(random_checkpoint(), root / "ckpt")
    shutil.copytree(root / "ckpt", root / "cut")
    weights = root / "cut" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    shutil.copytree(root / "ckpt", root / "headless")
    (root / "headless" / "checkpoint.json").write_text("{")
    make_folder(root / "clips", {"yes": 3, "no": 3, "cat": 2})
    (root / "empty").mkdir()
    (root / "notes").mkdir()
    (root / "notes" / "diary.txt").write_text("dear diary")
    for label in ("yes", "no"):
        (root / "text" / label).mkdir(parents=True)
        (root / "text" / label / "a.wav").write_text("this is no audio")
    (root / "gone.jsonl").write_text('{"path": "gone.wav", "label": "yes"}\n')
    tape = np.concatenate([word_like(seed, 8_000) for seed in range(4)])
    for name, track in (
        ("negative", "-1.0\t0.5\tyes\n"),
        ("backwards", "1.0\t0.5\tyes\n"),
        ("infinite", "0.5\tinf\tyes\n"),
        ("beyond", "0.5\t60.0\tyes\n"),
        ("strange", "0.5\t1.0\tzebra\n"),
        ("spaces", "0.5 1.0 yes\n"),
    ):
        write_audio(root / name / "tape.wav", tape)
        (root / name / "tape.txt").write_text(track)
    for name, text in (
        ("good", TRUE_LINE),
        ("nan", TRUE_LINE.replace("0.9", "NaN")),
        ("large", TRUE_LINE.replace("0.9", "1.9")),
        ("twice", TRUE_LINE * 2),
        ("half", TRUE_LINE[:40]),
        ("other", TRUE_LINE.replace('"a"', '"b"')),
        ("nothing", ""),
    ):
        (root / f"{name}_predictions.jsonl").write_text(text)
    return root


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def refused(arguments: Sequence[str], place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command line that must be refused; give its one line."""
    before = contents(place)
    words = [
        argument.replace("PLACE", str(place)).replace("OUT", str(tmp_path / "out")).replace("TMP", str(tmp_path))
        for argument in arguments
    ]
    code = run(words)
    told = capsys.readouterr().err.strip().splitlines()
    assert code == 2, told
    assert len(told) == 1
    assert told[0].startswith("speechtune: ")
    assert "internal error" not in told[0]
    assert contents(place) == before
    assert list(tmp_path.iterdir()) == []
    return told[0]


REFUSED = [
    ("finetune PLACE/gone --out OUT", "is not there"),
    ("finetune PLACE/empty --out OUT", "holds no label folders"),
    ("finetune PLACE/clips --keywords yes,zebra --out OUT", "no clips of zebra"),
    ("finetune PLACE/text --out OUT", "not readable as audio"),
    ("finetune PLACE/gone.jsonl --out OUT", "line 1"),
    ("finetune PLACE/clips --from PLACE/cut --out PLACE/notes", "'diary.txt' in it is not part of a checkpoint"),
    ("finetune PLACE/clips --out PLACE/notes/diary.txt/model", "is a file"),
    ("finetune PLACE/clips --keywords yes,no --shots 0 --out OUT", "at least 1"),
    ("add PLACE/gone PLACE/clips --keywords cat --out OUT", "does not exist"),
    ("add PLACE/ckpt PLACE/clips --keywords yes --out OUT", "keywords already"),
    ("add PLACE/ckpt PLACE/clips --keywords zebra --out OUT", "zebra"),
    ("add PLACE/cut PLACE/clips --keywords cat --out OUT", "weights.safetensors"),
    ("add PLACE/ckpt PLACE/clips --keywords cat --out PLACE/notes", "diary.txt"),
    ("remove PLACE/ckpt --keywords zebra --out OUT", "no keyword zebra"),
    ("remove PLACE/ckpt --keywords yes,no --out OUT", "no keyword would be left"),
    ("remove PLACE/cut --keywords yes --out OUT", "weights.safetensors"),
    ("remove PLACE/headless --keywords yes --out OUT", "not JSON"),
    ("remove PLACE/ckpt --keywords yes --out PLACE/notes", "diary.txt"),
    ("search PLACE/gone --out OUT", "is not there"),
    ("search PLACE/clips --keywords yes,no --trials 0 --out OUT", "at least 1"),
    ("search PLACE/clips --keywords zebra --out OUT", "zebra"),
    ("search PLACE/clips --out PLACE/notes", "is a folder"),
    ("search PLACE/clips --out PLACE/notes/diary.txt/r.toml", "is a file"),
    ("info PLACE/gone", "does not exist"),
    ("info PLACE/empty", "no checkpoint.json"),
    ("info PLACE/notes/diary.txt", "diary.txt"),
    ("info PLACE/cut", "cut off"),
    ("info PLACE/headless", "not JSON"),
    ("export PLACE/gone --out OUT", "does not exist"),
    ("export PLACE/cut --out OUT", "weights.safetensors"),
    ("export PLACE/headless --out OUT", "not JSON"),
    ("export PLACE/ckpt --out PLACE/notes", "is a folder"),
    ("export PLACE/ckpt --out PLACE/notes/diary.txt/m.onnx", "is a file"),
    ("recognize PLACE/gone PLACE/clips/yes/0.wav", "does not exist"),
    ("recognize PLACE/cut PLACE/clips/yes/0.wav", "weights.safetensors"),
    ("recognize PLACE/headless PLACE/clips/yes/0.wav", "not JSON"),
    ("evaluate PLACE/gone PLACE/clips --out OUT", "does not exist"),
    ("evaluate PLACE/cut PLACE/clips --out OUT", "weights.safetensors"),
    ("evaluate PLACE/ckpt PLACE/gone --out OUT", "is not there"),
    ("evaluate PLACE/ckpt PLACE/empty --out OUT", "holds no label folders"),
    ("evaluate PLACE/ckpt PLACE/text --out OUT", "not readable as audio"),
    ("evaluate PLACE/ckpt PLACE/clips --noise PLACE/gone --out OUT", "is not there"),
    ("evaluate PLACE/ckpt PLACE/clips --noise PLACE/empty --out OUT", "holds no audio"),
    ("evaluate PLACE/ckpt PLACE/clips --train PLACE/gone --out OUT", "is not there"),
    ("evaluate PLACE/ckpt PLACE/clips --out PLACE/notes/diary.txt", "is a file"),
    ("evaluate PLACE/ckpt PLACE/clips --stream PLACE/gone --out OUT", "no such file or folder"),
    ("evaluate PLACE/ckpt --stream PLACE/empty --out OUT", "holds no audio"),
    ("evaluate PLACE/ckpt --stream PLACE/text --out OUT", "not readable as audio"),
    ("evaluate PLACE/ckpt --stream PLACE/negative --out OUT", "tape.txt, line 1"),
    ("evaluate PLACE/ckpt --stream PLACE/backwards --out OUT", "has no length"),
    ("evaluate PLACE/ckpt --stream PLACE/infinite --out OUT", "must be finite"),
    ("evaluate PLACE/ckpt --stream PLACE/beyond --out OUT", "ends at 60.00 s, the recording at 2.00 s"),
    ("evaluate PLACE/ckpt --stream PLACE/strange --out OUT", "'zebra' was said but is not among the keywords"),
    ("evaluate PLACE/ckpt --stream PLACE/spaces --out OUT", "with tabs between"),
    ("evaluate PLACE/ckpt --stream PLACE/beyond --truth PLACE/gone --out OUT", "no such folder"),
    ("threshold PLACE/ckpt PLACE/gone --out OUT", "no such file or folder"),
    ("threshold PLACE/ckpt PLACE/strange --out OUT", "'zebra'"),
    ("threshold PLACE/ckpt PLACE/beyond --out OUT", "60.00 s"),
    ("threshold PLACE/ckpt PLACE/text --fa-per-hour nan --out OUT", "above 0"),
    ("threshold PLACE/ckpt PLACE/text --fa-per-hour -1 --out OUT", "above 0"),
    ("threshold PLACE/ckpt PLACE/text --out PLACE/notes", "diary.txt"),
    ("threshold PLACE/cut PLACE/text --out OUT", "weights.safetensors"),
    ("compare PLACE/good_predictions.jsonl PLACE/nan_predictions.jsonl --out OUT", "line 1: posteriors.yes"),
    ("compare PLACE/good_predictions.jsonl PLACE/large_predictions.jsonl --out OUT", "less than or equal to 1"),
    ("compare PLACE/good_predictions.jsonl PLACE/twice_predictions.jsonl --out OUT", "stands in line 1 already"),
    ("compare PLACE/good_predictions.jsonl PLACE/half_predictions.jsonl --out OUT", "Invalid JSON"),
    ("compare PLACE/good_predictions.jsonl PLACE/other_predictions.jsonl --out OUT", "only one of the systems"),
    ("compare PLACE/good_predictions.jsonl PLACE/nothing_predictions.jsonl --out OUT", "holds no clip"),
    ("compare PLACE/good_predictions.jsonl PLACE/gone_predictions.jsonl --out OUT", "No such file"),
    ("compare PLACE/ckpt PLACE/ckpt --out OUT", "name test clips"),
    ("compare PLACE/cut PLACE/ckpt PLACE/clips --out OUT", "weights.safetensors"),
    ("compare PLACE/good_predictions.jsonl PLACE/good_predictions.jsonl --out PLACE/notes", "is a folder"),
]


@pytest.mark.parametrize(("command", "says"), REFUSED, ids=[command for command, _ in REFUSED])
def test_it_is_refused_in_one_line_and_nothing_is_written(command, says, place, tmp_path, capsys, monkeypatch):
    def no_training(*arguments: object, **settings: object) -> None:
        raise AssertionError("an encoder was loaded before the input was found to be wrong")

    monkeypatch.setattr(finetuning, "load_encoder", no_training)
    assert says in refused(command.split(), place, tmp_path, capsys)


@pytest.mark.parametrize(
    "command", ["PLACE/ckpt PLACE/clips", "PLACE/ckpt --stream PLACE/negative --truth PLACE/tracks"]
)
def test_on_a_full_disk_an_evaluation_leaves_nothing_or_what_was_there(command, place, tmp_path, capsys, monkeypatch):
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks" / "tape.txt").touch()
    monkeypatch.setattr(activity, "SileroActivity", LoudnessActivity)
    words = command.replace("PLACE/tracks", str(tmp_path / "tracks")).replace("PLACE", str(place)).split()
    out = tmp_path / "reports" / "first"
    num_flushed = 0

    def full(descriptor: int) -> None:
        nonlocal num_flushed
        num_flushed += 1
        if num_flushed == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(whole_files.os, "fsync", full)
        assert run(["evaluate", *words, "--out", str(out)]) == 2
        told = capsys.readouterr().err.strip().splitlines()
        assert told == [f"speechtune: {out}: cannot be written (No space left on device); choose another --out"]
        assert not out.exists()
    assert run(["evaluate", *words, "--out", str(out)]) == 0
    before = contents(out)
    assert "report.html" in before
    num_flushed = 0
    with monkeypatch.context() as patch:
        patch.setattr(whole_files.os, "fsync", full)
        assert run(["evaluate", *words, "--out", str(out)]) == 2
    assert contents(out) == before


def test_a_place_that_may_not_be_written_to_is_refused_before_the_work(place, tmp_path, capsys, monkeypatch):
    # As on a file system that is mounted to be read only, also for root.
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **how: not mode & os.W_OK and access(path, mode, **how))
    for command in (
        "evaluate PLACE/ckpt PLACE/clips --out OUT",
        "finetune PLACE/clips --out OUT",
        "export PLACE/ckpt --out OUT",
        "search PLACE/clips --out OUT",
        "threshold PLACE/ckpt PLACE/negative --out OUT",
        "compare PLACE/good_predictions.jsonl PLACE/good_predictions.jsonl --out OUT",
    ):
        assert "may not be written to" in refused(command.split(), place, tmp_path, capsys)


def test_a_file_in_a_folder_that_is_not_there_is_refused_before_the_work(place, tmp_path, capsys):
    for command in (
        "export PLACE/ckpt --out OUT/m.onnx",
        "search PLACE/clips --out OUT/r.toml",
        "search PLACE/clips --out r.toml --study OUT/s.study",
        "compare PLACE/good_predictions.jsonl PLACE/good_predictions.jsonl --out OUT/c.json",
    ):
        assert "there is no folder" in refused(command.split(), place, tmp_path, capsys)


def test_clips_that_the_model_was_trained_on_are_named_first_in_every_form(place, tmp_path, capsys):
    model = random_checkpoint()
    trained = model.training | {"data_fingerprint": fingerprint(load_clips(place / "clips"))}
    save_checkpoint(type(model)(model.classifier, model.thresholds, model.recipe, trained), tmp_path / "ckpt")
    arguments = ["evaluate", str(tmp_path / "ckpt"), str(place / "clips"), "--out", str(tmp_path / "out")]
    assert run(arguments) == 0
    assert "the very clips that the model was trained on" in " ".join(capsys.readouterr().out.split())
    findings = json.loads((tmp_path / "out" / "metrics.json").read_text())["findings"]
    assert findings[0].startswith("these are the very clips")
    assert findings[0] in (tmp_path / "out" / "report.html").read_text()

    # Other data with one clip of the training: only the training data can tell.
    make_folder(tmp_path / "some", {"yes": 1, "no": 1})
    assert run(["evaluate", str(tmp_path / "ckpt"), str(tmp_path / "some"), "--out", str(tmp_path / "out")]) == 0
    assert "trained on" not in capsys.readouterr().out
    arguments = ["evaluate", str(tmp_path / "ckpt"), str(tmp_path / "some"), "--out", str(tmp_path / "out")]
    assert run([*arguments, "--train", str(place / "clips")]) == 0
    assert "are in training and test" in " ".join(capsys.readouterr().out.split())


def test_a_folder_of_other_things_keeps_them_beside_the_report(place, tmp_path):
    shutil.copytree(place / "notes", tmp_path / "notes")
    assert run(["evaluate", str(place / "ckpt"), str(place / "clips"), "--out", str(tmp_path / "notes")]) == 0
    found = {path.name for path in (tmp_path / "notes").iterdir()}
    assert found == {"diary.txt", "metrics.json", "predictions.jsonl", "report.html"}
    assert (tmp_path / "notes" / "diary.txt").read_text() == "dear diary"


def test_predictions_that_are_the_same_are_no_evidence_of_a_difference(tmp_path, capsys):
    answers = [sure(predictions_of([], []).labels, "yes")] * 4
    save_predictions(predictions_of(answers, ["yes", "yes", "no", "cat"], list("abcd")), tmp_path / "a.jsonl")
    assert run(["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "a.jsonl")]) == 0
    assert "no evidence of a difference" in capsys.readouterr().out
