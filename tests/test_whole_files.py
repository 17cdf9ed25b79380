"""Files that are there whole or not at all."""

import os
import signal
import subprocess
import sys
import time

import pytest

from speechtune.whole_files import PRIVATE, why_not_writable, write_together, write_whole, writing_whole


def test_text_and_bytes_arrive(tmp_path):
    write_whole(tmp_path / "a", "größe\n")
    write_whole(tmp_path / "b", b"\x00\xff")
    assert (tmp_path / "a").read_bytes() == "größe\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\x00\xff"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_failure_in_the_middle_leaves_the_older_file_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a", "old")

    def fail():
        with writing_whole(tmp_path / "a") as file:
            file.write(b"new")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_several_files_take_their_places_together_or_not_at_all(tmp_path):
    write_together(tmp_path / "new" / "place", {"a": "größe", "b": "two"})
    assert (tmp_path / "new" / "place" / "a").read_text(encoding="utf-8") == "größe"
    # The second name is too long for any file system: the first one stays as it was.
    with pytest.raises(OSError, match="too long"):
        write_together(tmp_path / "new" / "place", {"a": "changed", "b" * 300: "never"})
    assert (tmp_path / "new" / "place" / "a").read_text(encoding="utf-8") == "größe"
    assert sorted(os.listdir(tmp_path / "new" / "place")) == ["a", "b"]
    with pytest.raises(OSError, match="too long"):
        write_together(tmp_path / "other", {"a": "one", "b" * 300: "never"})
    assert not (tmp_path / "other").exists()


def test_it_is_told_beforehand_what_stands_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "astray").symlink_to(tmp_path / "nowhere")
    assert why_not_writable(tmp_path) is None
    assert why_not_writable(tmp_path / "a" / "b" / "c") is None
    assert why_not_writable(tmp_path / "file") == f"{tmp_path / 'file'} is a file"
    assert why_not_writable(tmp_path / "file" / "deep" / "er") == f"{tmp_path / 'file'} is a file"
    assert why_not_writable(tmp_path / "astray" / "a") == f"{tmp_path / 'astray'} leads nowhere"


def test_a_missing_folder_is_the_callers_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "a", "text")


_WRITER = """
import sys
from pathlib import Path
from speechtune.whole_files import write_whole
number = 0
while True:
    number += 1
    write_whole(Path(sys.argv[1]), f"{number} " * 20_000 + "end")
"""


def test_killed_at_any_moment_the_file_is_whole(tmp_path):
    path = tmp_path / "a"
    for round_number in range(5):
        process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], env=os.environ | {"PYTHONPATH": "."})
        try:
            while not path.exists():
                time.sleep(0.01)
            time.sleep(0.05 + 0.013 * round_number)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        words = path.read_text().split()
        assert words[-1] == "end"
        assert len(words) == 20_001
        assert len(set(words[:-1])) == 1


def test_a_private_file_is_private_while_it_is_written(tmp_path):
    with writing_whole(tmp_path / "secret", PRIVATE) as file:
        file.write(b"what was said")
        assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
