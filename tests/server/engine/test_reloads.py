"""Reloads in a row are few, and none makes noise when the server stops; nor does an export outlive its server."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from speechtune.errors import ServiceNotReadyError
from speechtune_server.app import serve
from speechtune_server.engine.export_cache import exported_scorer
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.engine.reloads import Reloads
from speechtune_server.engine.runner import Runner
from tests.support.processes import REPOSITORY
from tests.support.serving import asynchronous, config_of, until
from tests.support.streaming import LoudnessActivity, PitchScorer


@asynchronous
async def test_reloads_that_queue_are_one():
    may_go, num_begun = asyncio.Event(), 0

    async def reload():
        nonlocal num_begun
        num_begun += 1
        await may_go.wait()

    reloads = Reloads(reload)
    for _ in range(50):
        reloads.ask()
    await asyncio.sleep(0)
    for _ in range(50):
        reloads.ask()
    may_go.set()
    await until(lambda: reloads._running is None)
    assert num_begun == 2
    reloads.ask()
    await until(lambda: num_begun == 3)
    await reloads.stop()
    reloads.ask()
    await asyncio.sleep(0.01)
    assert num_begun == 3


@asynchronous
async def test_a_reload_that_fails_is_logged_and_the_next_one_is_done(caplog):
    outcomes = [OSError("the disk is gone"), None]

    async def reload():
        if error := outcomes.pop(0):
            raise error

    reloads = Reloads(reload)
    reloads.ask()
    await until(lambda: len(outcomes) == 1)
    reloads.ask()
    await until(lambda: not outcomes)
    assert caplog.text.count("the reload failed; what is served stays as it is") == 1


@asynchronous
async def test_reloads_that_wait_when_the_server_stops_log_no_trace(tmp_path, caplog):
    num_loads = 0

    def load(name, folder):
        nonlocal num_loads
        num_loads += 1
        if num_loads > 2:
            time.sleep(0.2)
        return ServedModel(name, f"a{num_loads}", PitchScorer())

    serving = asyncio.Event()
    models = {"home": tmp_path / "home", "garden": tmp_path / "garden"}
    with caplog.at_level(logging.INFO):
        server = asyncio.create_task(serve(config_of(models=models), lambda _: serving.set(), load, LoudnessActivity))
        await serving.wait()
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await server
    assert num_loads <= 4
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


@asynchronous
async def test_a_runner_that_is_closed_says_that_the_server_stops():
    runner = Runner()
    await runner.close(1.0)
    with pytest.raises(ServiceNotReadyError, match="the server is stopping"):
        await runner.run(lambda: None)


PARENT = """
import sys
from speechtune_server.engine.export_cache import run_while_we_live
code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
run_while_we_live(code, sys.argv[1:], 60)
"""


def is_running(number):
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")
def test_an_export_ends_with_its_server_however_that_ends(tmp_path):
    note = tmp_path / "pid"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "server")])}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(note)], env=environment) as parent:
        deadline = time.monotonic() + 20
        while not (note.is_file() and note.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        number = int(note.read_text())
        assert is_running(number)
        parent.kill()
    deadline = time.monotonic() + 5
    while is_running(number):
        assert time.monotonic() < deadline, "it goes on without its server"
        time.sleep(0.02)


def test_what_a_killed_export_left_is_swept_before_the_next_one(tmp_path, caplog, monkeypatch):
    from types import SimpleNamespace

    from speechtune_server.engine import export_cache

    monkeypatch.setattr(export_cache, "read_summary", lambda _: SimpleNamespace(digest="ab"))
    monkeypatch.setattr(export_cache, "OnnxScorer", lambda *_: "scorer")
    for name in (".ab-fp32.onnx.0123abcd.tmp", ".cd-fp32.onnx.0123abcd.tmp"):
        (tmp_path / name).write_bytes(b"half")
    assert exported_scorer(tmp_path, "fp32", tmp_path, 1, lambda *_: None) == "scorer"
    assert [path.name for path in tmp_path.glob(".*.tmp")] == [".cd-fp32.onnx.0123abcd.tmp"]
    assert "an export that was killed had left it there" in caplog.text
