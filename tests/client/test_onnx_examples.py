"""The examples that run an exported model without speechtune: on a small device, and in a browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.clips import write_audio
from tests.support.pitch_model import HIGH_HZ, LOW_HZ, spoken, tone, write_pitch_model
from tests.support.speech import REPOSITORY

_DEVICE = """
import runpy, sys

class OnlyWhatTheDeviceHas:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ("speechtune", "torch", "transformers", "soundfile", "scipy", "onnx"):
            raise ModuleNotFoundError(f"{name} is not on the device")

sys.meta_path.insert(0, OnlyWhatTheDeviceHas())
sys.argv = ["listen.py", *sys.argv[1:]]
runpy.run_path("examples/device/listen.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pitch_model(tmp_path_factory.mktemp("model") / "pitch.onnx")


def ran(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _DEVICE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=REPOSITORY,
    )


def test_a_small_device_hears_each_command_once_where_it_was_said(model: Path, tmp_path: Path) -> None:
    write_audio(tmp_path / "said.wav", spoken(LOW_HZ, HIGH_HZ, 900.0, LOW_HZ))
    done = ran(model, tmp_path / "said.wav")
    assert done.returncode == 0, done.stderr
    heard = [line.split() for line in done.stdout.splitlines()]
    assert [word for _, word, _ in heard] == ["low", "high", "low"]  # nothing is said of the tone between them
    assert all(float(confidence) > 0.6 for _, _, confidence in heard)
    starts = [float(seconds) for seconds, _, _ in heard]
    assert np.allclose(starts, [1.5, 3.5, 7.5], atol=0.25)
    assert "listening for: low, high" in done.stderr


def test_a_command_within_long_sound_is_heard_once(model: Path, tmp_path: Path) -> None:
    long = np.concatenate([np.zeros(16_000, dtype=np.float32), tone(900.0, 1.5), tone(HIGH_HZ, 1.5), tone(900.0, 1.5)])
    write_audio(tmp_path / "long.wav", np.concatenate([long, np.zeros(16_000, dtype=np.float32)]))
    done = ran(model, tmp_path / "long.wav")
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["high"], done.stderr


def test_what_the_device_cannot_hear_is_said(model: Path, tmp_path: Path) -> None:
    write_audio(tmp_path / "fast.wav", spoken(LOW_HZ), rate_hz=48_000)
    done = ran(model, tmp_path / "fast.wav")
    assert done.returncode == 1
    assert "is not 16-bit audio of 16 kHz and one channel" in done.stderr
    assert "python listen.py MODEL.onnx" in ran().stderr
