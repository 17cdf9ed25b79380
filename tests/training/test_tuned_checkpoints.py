"""Tuning through to the checkpoint: it reloads with its head, survives a kill, and is shared by processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from speechtune.models.checkpoints.checkpoint import load_checkpoint
from speechtune.recipe import Recipe
from speechtune.training.finetune import TrainingData, finetune
from tests.support.clips import make_folder
from tests.support.encoders import noise_windows, save_random_model
from tests.support.speech import REPOSITORY

LABELS = {"yes": 4, "no": 4, "cat": 3, "dog": 3, "bird": 3, "tree": 3, "house": 3}


def recipe(**tune: Any) -> Recipe:
    small = {"augment": {"copies": 4}, "silence_clips": 4, "batch_clips": 8, "precision": "float32"}
    return Recipe.model_validate({"seed": 3, "tune": {"learning_rate": 1e-3} | small | tune})


def write_recipe(path: Path, encoder: Path, **tune: Any) -> Path:
    small = {"augment": {"copies": 1}, "head": {"silence_clips": 10}, "encoder": {"name": str(encoder)}}
    settings = Recipe.model_validate(small | {"tune": recipe(**tune).tune.model_dump() | {"method": "full"}})
    path.write_text(settings.to_toml())
    return path


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    save_random_model("whisper", folder)
    return folder


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_tuned_checkpoint_comes_back_with_its_head_and_answers_alike(
    tmp_path: Path, encoder: Path, method: str
) -> None:
    from speechtune.recipe_files import load_recipe

    path = write_recipe(tmp_path / "recipe.toml", encoder)
    data = TrainingData(make_folder(tmp_path / "data", LABELS), ("yes", "no"))
    result = finetune(data, tmp_path / "model", load_recipe(path, [f"tune.method={method}"]))
    loaded = load_checkpoint(tmp_path / "model")
    windows = noise_windows(3)
    with torch.inference_mode():
        expected = result.checkpoint.classifier.posteriors(windows)
        assert torch.equal(loaded.classifier.posteriors(windows), expected)
    assert loaded.training["method"] == method
    assert result.tuned is not None
    assert not list(tmp_path.glob(".model*"))


def command(data: Path, out: Path, settings: Path) -> list[str]:
    arguments = ["finetune", str(data), "--out", str(out), "--recipe", str(settings), "--keywords", "yes,no"]
    return ["-m", "speechtune", *arguments, "--device", "cpu"]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": ""}


def speak(arguments: list[str], environment: dict[str, str]) -> bytes:
    done = subprocess.run(arguments, env=environment, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def test_the_command_killed_without_warning_goes_on_to_the_same_checkpoint(
    tmp_path: Path, encoder: Path, environment: dict[str, str]
) -> None:
    settings = write_recipe(tmp_path / "recipe.toml", encoder, augment={"copies": 20}, save_every=1)
    data = make_folder(tmp_path / "data", LABELS)
    out = tmp_path / "model"
    running = subprocess.Popen([sys.executable, *command(data, out, settings)], env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / ".model.training").exists():
        assert running.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not out.exists()
    assert b"went on from step" in speak([sys.executable, *command(data, out, settings)], environment)
    speak([sys.executable, *command(data, tmp_path / "whole", settings)], environment)
    assert load_checkpoint(out).digest == load_checkpoint(tmp_path / "whole").digest


def test_two_processes_train_as_one_does(tmp_path: Path, encoder: Path, environment: dict[str, str]) -> None:
    settings = write_recipe(tmp_path / "recipe.toml", encoder)
    data = make_folder(tmp_path / "data", LABELS)
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone"]
    for out, launch in ((tmp_path / "one", []), (tmp_path / "two", launcher)):
        speak([sys.executable, *launch, *command(data, out, settings)], environment)
    one, two = (load_checkpoint(tmp_path / name).classifier for name in ("one", "two"))
    windows = noise_windows(4)
    with torch.inference_mode():
        torch.testing.assert_close(one.posteriors(windows), two.posteriors(windows), rtol=0, atol=1e-2)
    for (name, first), second in zip(one.encoder.state_dict().items(), two.encoder.state_dict().values(), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-3, msg=name)
