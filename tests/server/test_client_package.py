"""The client as a package: its wheel, its imports, its names, and how it paces."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

import speechtune_client
from speechtune_client.pacing import Pace
from tests.support.speech import REPOSITORY


def test_pieces_are_a_tenth_of_a_second_and_lose_nothing():
    pace = Pace({"sample_rate_hertz": 8_000})
    pieces = list(pace.pieces(bytes(range(256)) * 20))
    assert b"".join(pieces) == bytes(range(256)) * 20
    assert max(map(len, pieces)) == 1_600
    assert list(pace.pieces(b"")) == [b""]


def test_the_client_imports_neither_numpy_nor_torch_nor_the_library(tmp_path):
    """The wheel is built, unpacked apart from the repository, and imported where nothing else may be."""
    hatchling = pytest.importorskip("hatchling.builders.wheel")
    wheel = next(
        hatchling.WheelBuilder(str(REPOSITORY / "proto")).build(directory=str(tmp_path), versions=["standard"])
    )
    zipfile.ZipFile(wheel).extractall(tmp_path / "device")
    script = """
import sys

class OnlyWhatADeviceHas:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {"speechtune_client", "grpc", "google", "typing_extensions"}:
            raise ModuleNotFoundError(f"{name} is not on a device")
        if top == "google" and not name.startswith(("google.protobuf", "google._upb")) and name != "google":
            raise ModuleNotFoundError(f"{name} is not on a device")

sys.meta_path.insert(0, OnlyWhatADeviceHas())
sys.path.insert(0, sys.argv[1])
import speechtune_client
from speechtune_client.v1 import command_recognition_pb2_grpc, model_admin_pb2_grpc
assert speechtune_client.__file__.startswith(sys.argv[1]), speechtune_client.__file__
with speechtune_client.CommandClient("127.0.0.1:1") as client:
    try:
        client.list_models()
    except speechtune_client.ClientError as error:
        print(error.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "device")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "UNAVAILABLE"), done.stderr


def test_the_public_names_are_there():
    for name in speechtune_client.__all__:
        assert getattr(speechtune_client, name).__doc__
