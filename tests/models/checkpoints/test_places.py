"""At every moment there is a whole checkpoint at its place: for readers beside writers, and after a kill."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from speechtune.errors import CheckpointNotFoundError
from speechtune.models.checkpoints import places as checkpoint_places
from speechtune.models.checkpoints import writing as checkpoint_writing
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.models.checkpoints.files import read_summary
from speechtune.models.checkpoints.writing import writing_checkpoint
from speechtune.models.encoders.bounds import DESCRIPTION_FILE
from tests.support.encoders import random_checkpoint
from tests.support.speech import REPOSITORY


@pytest.fixture(params=[True, False], ids=["exchange", "two moves"])
def can_exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setattr(checkpoint_writing, "exchanged", lambda *_: False)
    elif not sys.platform.startswith("linux"):
        pytest.skip("no system call that exchanges folders")
    return bool(request.param)


def tiny(folder: Path, files: dict[str, bytes]) -> None:
    """Replace the checkpoint in `folder` by these files."""
    with writing_checkpoint(folder) as staging:
        for name, content in files.items():
            (staging / name).write_bytes(content)


@pytest.fixture
def two(tmp_path: Path) -> list[dict[str, bytes]]:
    contents = []
    for family in ("whisper", "hubert"):
        save_checkpoint(random_checkpoint(family), tmp_path / family)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / family).iterdir()})
    return contents


def test_a_reader_beside_two_writers_sees_one_of_their_checkpoints(
    tmp_path: Path, two: list[dict[str, bytes]], can_exchange: bool
) -> None:
    place = tmp_path / "here" / "model"
    tiny(place, two[0])
    is_over = threading.Event()

    def write(content: dict[str, bytes]) -> None:
        while not is_over.is_set():
            tiny(place, content)

    writers = [threading.Thread(target=write, args=(content,)) for content in two]
    for writer in writers:
        writer.start()
    try:
        digests = {load_checkpoint(place).digest for _ in range(15)}
    finally:
        is_over.set()
        for writer in writers:
            writer.join()
    assert digests <= {read_summary(tmp_path / family).digest for family in ("whisper", "hubert")}
    assert os.listdir(place.parent) == ["model"]


KILLED = """
import os, sys
from pathlib import Path
from speechtune.models.checkpoints import writing as checkpoint_writing
from speechtune.models.checkpoints.writing import writing_checkpoint
if sys.argv[3] == "two moves":
    checkpoint_writing.exchanged = lambda *_: False
rename = Path.rename
def dies(self, target):
    if self.suffix == ".partial":
        os._exit(9)
    return rename(self, target)
Path.rename = dies
rmtree = checkpoint_writing.shutil.rmtree
checkpoint_writing.shutil.rmtree = lambda *_, **__: os._exit(9)
with writing_checkpoint(Path(sys.argv[1])) as staging:
    for path in Path(sys.argv[2]).iterdir():
        (staging / path.name).write_bytes(path.read_bytes())
    if sys.argv[3] == "while writing":
        os._exit(9)
"""


def killed(place: Path, source: Path, how: str) -> None:
    command = [sys.executable, "-c", KILLED, str(place), str(source), how]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 9


@pytest.mark.parametrize(
    ("how", "left"), [("while writing", "whisper"), ("one step", "hubert"), ("two moves", "hubert")]
)
def test_a_writer_that_is_killed_leaves_a_checkpoint_and_its_rest_is_cleared_away(
    tmp_path: Path, two: list[dict[str, bytes]], how: str, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "here" / "model"
    tiny(place, two[0])
    killed(place, tmp_path / "hubert", how)
    assert len(os.listdir(place.parent)) > 1
    with caplog.at_level(logging.WARNING):
        assert read_summary(place).digest == read_summary(tmp_path / left).digest
        checkpoint_writing.check_destination(place)
    assert os.listdir(place.parent) == ["model"]
    assert (
        "a writer that was killed had left it there" in caplog.text or "was killed while it replaced it" in caplog.text
    )


def test_what_a_living_writer_prepares_is_no_leftover(tmp_path: Path, two: list[dict[str, bytes]]) -> None:
    place = tmp_path / "here" / "model"
    with writing_checkpoint(place) as staging:
        tiny(place, two[1])
        assert staging.is_dir()
        for name, content in two[0].items():
            (staging / name).write_bytes(content)
    assert read_summary(place).digest == read_summary(tmp_path / "whisper").digest
    assert os.listdir(place.parent) == ["model"]


def test_nothing_that_is_no_writers_is_cleared_away(tmp_path: Path, two: list[dict[str, bytes]]) -> None:
    place = tmp_path / "here" / "model"
    tiny(place, two[0])
    mine = [".model.notes", ".model.abc.partial", ".other.0123abcd.partial"]
    for name in mine:
        (place.parent / name).mkdir()
    (place.parent / ".model.0123abcd.partial").write_text("a file of somebody")
    tiny(place, two[1])
    assert sorted(os.listdir(place.parent)) == sorted([*mine, ".model.0123abcd.partial", "model"])


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_places.time, "sleep", lambda _: pytest.fail("it waits for nothing"))
    with pytest.raises(CheckpointNotFoundError, match="does not exist"):
        read_summary(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointNotFoundError, match=DESCRIPTION_FILE):
        read_summary(tmp_path / "empty")
