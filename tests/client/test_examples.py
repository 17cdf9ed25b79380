"""The example clients, as their readers run them: a small device in Python, and someone else's stack in Node.js."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from speechtune.audio.files import write_flac
from speechtune.cli.app import run
from tests.support.keys import RECOGNISE, key_file
from tests.support.node_packages import node_modules as installed
from tests.support.serving import COMMANDS, COMMANDS_CONTENT, server_in_thread
from tests.support.speech import REPOSITORY

EXAMPLES = REPOSITORY / "examples"
A_DEVICE = """
import runpy, sys

class OnlyWhatADeviceHas:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {"speechtune_client", "grpc", "google", "typing_extensions"}:
            raise ModuleNotFoundError(f"{name} is not on a device")

sys.meta_path.insert(0, OnlyWhatADeviceHas())
sys.path.insert(0, "proto")
runpy.run_path("examples/raspberry_pi_client.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def server():
    with server_in_thread() as server:
        yield server


def ran(command, content, **environment):
    return subprocess.run(
        command,
        input=content,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=REPOSITORY,
        env=os.environ | environment,
    )


def test_a_device_with_grpcio_and_protobuf_alone_prints_the_commands_it_hears(tmp_path):
    tokens = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None))
    (tmp_path / "key.txt").write_text(tokens["kitchen"] + "\n")
    with server_in_thread(keys=tmp_path / "keys.toml") as server:
        command = [sys.executable, "-c", A_DEVICE, server.address, "--source", "-", "--key-file", tmp_path / "key.txt"]
        done = ran(command, COMMANDS_CONTENT)
    assert done.returncode == 0, done.stderr
    assert [line.split()[2] for line in done.stdout.decode().splitlines()] == ["low", "high"]


def test_a_device_without_a_microphone_says_so_and_ends(tmp_path):
    with server_in_thread() as server:
        done = ran([sys.executable, "-c", A_DEVICE, server.address], b"", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.decode().strip().startswith("no microphone: install alsa-utils")


def test_a_device_whose_microphone_is_pulled_out_says_so_and_ends(tmp_path):
    recorder = tmp_path / "arecord"
    recorder.write_text("#!/bin/sh\nexit 1\n")
    recorder.chmod(0o755)
    with server_in_thread() as server:
        done = ran([sys.executable, "-c", A_DEVICE, server.address], b"", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.decode().strip() == "arecord ended: is a microphone connected?"


@pytest.fixture(scope="module")
def node_modules():
    return installed(EXAMPLES / "node" / "package.json")


def test_node_hears_the_same_commands_at_the_same_places(server, node_modules):
    done = ran(["node", EXAMPLES / "node" / "client.js", server.address], COMMANDS_CONTENT, NODE_PATH=str(node_modules))
    assert done.returncode == 0, done.stderr
    started, low, high, ended = map(json.loads, done.stdout.splitlines())
    assert (started["event"], ended["event"], ended["reason"]) == ("started", "ended", "CLIENT_FINISHED")
    assert (low["label"], high["label"]) == ("low", "high")
    assert low["start"] < 9 / 16 + 0.01 < low["end"] < high["start"] < high["end"]


def test_node_is_told_by_status_what_is_wrong(tmp_path, node_modules):
    key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None))
    with server_in_thread(keys=tmp_path / "keys.toml") as server:
        done = ran(["node", EXAMPLES / "node" / "client.js", server.address], b"", NODE_PATH=str(node_modules))
    assert done.returncode == 1
    assert done.stderr.decode().startswith("UNAUTHENTICATED: send a valid key")


def test_the_command_line_streams_with_a_key_too(tmp_path, capsys):
    tokens = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None))
    write_flac(tmp_path / "commands.flac", COMMANDS)
    (tmp_path / "key.txt").write_text(tokens["kitchen"])
    with server_in_thread(keys=tmp_path / "keys.toml") as server:
        stream = ["stream", str(tmp_path / "commands.flac"), "--address", server.address]
        assert run([*stream, "--key-file", str(tmp_path / "key.txt")]) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [event["label"] for event in events if event["event"] == "detection"] == ["low", "high"]
        assert run(stream) == 1
        assert "UNAUTHENTICATED" in capsys.readouterr().err
        assert run([*stream, "--key-file", str(tmp_path / "none")]) == 2
    assert (
        run(
            [
                "stream",
                str(tmp_path / "commands.flac"),
                "--address",
                "192.0.2.1:5",
                "--key-file",
                str(tmp_path / "key.txt"),
            ]
        )
        == 2
    )
    assert "not encrypted" in capsys.readouterr().err
