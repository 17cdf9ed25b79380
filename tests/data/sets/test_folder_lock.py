"""One recorder at a time in a folder, and no lock left over by one that was killed."""

import subprocess
import sys

import pytest

from speechtune.data.sets.folder_lock import sole_writer
from speechtune.data.sets.folders import load_folder
from speechtune.errors import ManifestError
from tests.support.clips import make_folder
from tests.support.speech import REPOSITORY

HOLD = "import sys,time,pathlib;from speechtune.data.sets.folder_lock import sole_writer\n"
HOLD += "with sole_writer(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def test_a_second_recorder_is_refused_and_a_later_one_is_not(tmp_path):
    refused = pytest.raises(ManifestError, match="somebody else is recording into it")
    with sole_writer(tmp_path / "new"), refused, sole_writer(tmp_path / "new"):
        pass
    with sole_writer(tmp_path / "new"), sole_writer(tmp_path / "other"):
        pass


def test_a_killed_recorder_leaves_no_lock(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ManifestError, match="somebody else"), sole_writer(tmp_path):
            pass
        other.kill()
    with sole_writer(tmp_path):
        pass


def test_the_lock_is_no_clip(tmp_path):
    make_folder(tmp_path, {"yes": 1})
    with sole_writer(tmp_path):
        assert len(load_folder(tmp_path).clips) == 1
    assert load_folder(tmp_path).notes == ("1 of 1 clips have no known speaker",)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ManifestError, match="cannot be made"), sole_writer(tmp_path / "file"):
        pass
