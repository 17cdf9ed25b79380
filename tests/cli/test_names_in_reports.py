"""Names of files in tables and reports: whole, relative to the data, and readable though they are no text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from speechtune.cli.app import run
from speechtune.data.loading import load_clips
from speechtune.data.manifest import write_manifest
from speechtune.errors import ManifestError
from speechtune.evaluation.prediction_file import load_predictions
from speechtune.models.checkpoint import save_checkpoint
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint
from tests.support.speech import REPOSITORY

LONG = "l" * 63 + "z"


def unreadable_name(folder):
    """One file of the folder gets a name in Latin-1."""
    path = os.fsencode(folder / "yes" / "0.wav")
    named = os.path.join(os.path.dirname(path), b"caf\xe9.wav")
    try:
        os.rename(path, named)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    return os.fsdecode(named)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "m"
    save_checkpoint(random_checkpoint(), folder)
    return folder


@pytest.mark.parametrize("deep", [False, True])
def test_the_table_keeps_the_names_of_both_files(deep, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    data = tmp_path / ("d" * 100 if deep else "d") / "data"
    make_folder(data, {LONG: 2, "no": 2})
    write_audio(data / LONG / "the_copy_of_it.wav", word_like(77, 4_000))
    shutil.copy(data / LONG / "the_copy_of_it.wav", data / "no" / "zz_the_original.wav")
    assert run(["inspect", str(data), "--encoder", "none"]) == 0
    shown = "".join(capsys.readouterr().out.split())
    assert f"{LONG[-1]}/the_copy_of_it.wav" in shown
    assert "zz_the_original.wav" in shown
    assert "…" not in shown
    assert "ddd" not in shown
    assert LONG in shown or shown.count("l") >= 63


def test_findings_name_files_relative_to_the_data(tmp_path, capsys):
    make_folder(tmp_path / "data", {"yes": 2, "no": 2})
    shutil.copy(tmp_path / "data" / "no" / "0.wav", tmp_path / "data" / "yes" / "9.wav")
    assert run(["inspect", str(tmp_path / "data"), "--encoder", "none", "--json"]) == 0
    details = [found["detail"] for clip in json.loads(capsys.readouterr().out)["clips"] for found in clip["findings"]]
    assert "same content as no/0.wav, which has another label ('no')" in details


def test_evaluate_and_recognize_write_a_name_that_is_no_text(checkpoint, tmp_path, capsys):
    data = make_folder(tmp_path / "data", {"yes": 3, "no": 3, "cat": 2})
    path = unreadable_name(data)
    assert run(["evaluate", str(checkpoint), str(data), "--out", str(tmp_path / "out")]) == 0
    assert "yes/caf\\xe9.wav" in load_predictions(tmp_path / "out" / "predictions.jsonl").clip_ids
    assert (tmp_path / "out" / "report.html").read_bytes().decode()
    capsys.readouterr()
    assert run(["recognize", str(checkpoint), path]) == 0
    assert json.loads(capsys.readouterr().out)["file"].endswith("caf\\xe9.wav")


def test_inspect_shows_and_mends_it_and_no_manifest_lists_it(tmp_path):
    data = make_folder(tmp_path / "data", {"yes": 3, "no": 3})
    shutil.copy(unreadable_name(data), data / "yes" / "copy.wav")
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "speechtune",
        "inspect",
        str(data),
        "--encoder",
        "none",
        "--out",
        str(out),
        "--fix",
    ]
    done = subprocess.run(command, capture_output=True, cwd=REPOSITORY, check=False, timeout=60)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert b"caf\\xe9.wav" in done.stdout
    assert (out / "inspection.html").read_bytes().decode()
    assert any("caf" in clip["path"] for clip in json.loads((out / "inspection.json").read_bytes().decode())["clips"])
    assert len(load_clips(out / "fixed").clips) == 6
    for name in ("list.jsonl", "list.csv"):
        with pytest.raises(ManifestError, match=r"caf\\xe9\.wav: a name that is not UTF-8"):
            write_manifest(tmp_path / name, load_clips(data))
        assert not (tmp_path / name).exists()
