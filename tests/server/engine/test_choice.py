"""`backend = "auto"`: what runs a model, by the machine and by what training found out, and that it is told."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.models.export import export_onnx
from speechtune.models.int8_agreement import FACT
from speechtune_client import AsyncCommandClient
from speechtune_server.engine.backends import loader_for
from speechtune_server.engine.choice import choose_backend
from speechtune_server.process.config import Backend
from speechtune_server.process.machine import Machine, this_machine
from tests.support.encoders import random_checkpoint
from tests.support.serving import asynchronous, running_server

PLAIN = Machine(num_cores=2, has_gpu=False, has_int8=True)
SAME = {"num_windows": 200, "num_same": 200, "largest_difference": 0.01}
OTHER = {"num_windows": 200, "num_same": 190, "largest_difference": 0.3}


def saved(place: Path, fact: JsonValue) -> Path:
    checkpoint = random_checkpoint()
    facts = dict(checkpoint.training) if fact is None else {**checkpoint.training, FACT: fact}
    save_checkpoint(replace(checkpoint, training=facts), place)
    return place


@pytest.mark.parametrize(
    ("fact", "machine", "backend", "reason"),
    [
        (SAME, PLAIN, Backend.ONNX_INT8, "200 of 200 windows"),
        (OTHER, PLAIN, Backend.ONNX, "190 of 200 windows"),
        (None, PLAIN, Backend.ONNX, "does not say"),
        ("not known: too large", PLAIN, Backend.ONNX, "does not say"),
        (SAME, replace(PLAIN, has_int8=False), Backend.ONNX, "no instructions for int8"),
        (SAME, replace(PLAIN, has_gpu=True), Backend.TORCH, "GPU"),
    ],
)
def test_auto_goes_by_the_machine_and_by_what_the_checkpoint_says(
    tmp_path: Path, fact: JsonValue, machine: Machine, backend: Backend, reason: str
) -> None:
    chosen = choose_backend(Backend.AUTO, saved(tmp_path / "model", fact), machine)
    assert chosen.backend is backend
    assert reason in chosen.reason


@pytest.mark.parametrize("wanted", [backend for backend in Backend if backend is not Backend.AUTO])
def test_a_backend_that_is_asked_for_is_taken_whatever_the_checkpoint_says(tmp_path: Path, wanted: Backend) -> None:
    assert choose_backend(wanted, tmp_path / "nothing there", PLAIN).backend is wanted


def test_this_machine_has_cores() -> None:
    assert this_machine().num_cores >= 1


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """A checkpoint whose export is in the cache, and an exported file."""
    folder = saved(tmp_path / "model", SAME)
    checkpoint = load_checkpoint(folder)
    export_onnx(checkpoint, tmp_path / f"{checkpoint.digest}-int8.onnx", int8=True)
    export_onnx(checkpoint, tmp_path / "export.onnx")
    return {"home": folder, "export": tmp_path / "export.onnx"}


@asynchronous
async def test_a_server_says_what_runs_its_models_and_why(
    models: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load = loader_for(Backend.AUTO, tmp_path, 1, PLAIN)
    with caplog.at_level(logging.INFO):
        async with running_server(load=load, models=models) as server, AsyncCommandClient(server.address) as client:
            info, listed = await client.server_info(), await client.list_models()
    assert (info.backend, [model.backend for model in listed]) == ("onnx-int8", ["onnx-int8", "onnx"])
    assert "200 of 200 windows" in info.backend_reason
    assert listed[1].backend_reason == "it was exported so"
    assert "model home is run by onnx-int8: int8 decides 200 of 200" in caplog.text
