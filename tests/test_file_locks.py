"""Whoever holds a lock is alone, and a process that is killed lets go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from speechtune.file_locks import held, lock_beside
from tests.support.speech import REPOSITORY

HOLD = "import sys,time,pathlib;from speechtune.file_locks import held\n"
HOLD += "with held(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def test_another_process_waits_in_vain_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    lock = lock_beside(tmp_path / "list.txt")
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError, match="held by another process"), held(lock, 0.1):
            pass
        other.kill()
    with held(lock, 5.0):
        assert lock.is_file()


def test_a_lock_is_given_back_when_the_work_under_it_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), held(tmp_path / "lock"):
        raise KeyError
    with held(tmp_path / "lock", 0.0):
        pass


def test_a_lock_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such folder"), held(tmp_path / "none" / "lock"):
        pass
    assert not (tmp_path / "none").exists()
