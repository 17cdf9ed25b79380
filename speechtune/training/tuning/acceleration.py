"""`accelerate` as this library uses it: device, precision, processes, trackers."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch

from speechtune.errors import ConfigError
from speechtune.models.precision import has_bfloat16
from speechtune.recipe import TuneSettings

if TYPE_CHECKING:
    from accelerate import Accelerator

Device = Literal["auto", "cpu", "cuda"]

_NAMES = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def is_main_process() -> bool:
    """Whether this process reports and saves; the only one, unless a launcher started several."""
    return os.environ.get("RANK", "0") == "0"


def parse_device(text: str) -> Device:
    """`auto`, `cpu` or `cuda`.

    Raises:
        ConfigError: anything else.
    """
    for device in get_args(Device):
        if text == device:
            found: Device = device
            return found
    raise ConfigError(f"device {text!r}: use {', '.join(get_args(Device))}")


def torch_device(device: Device) -> torch.device:
    """Where the encoder runs; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: `cuda` is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: torch finds no GPU here; use cpu or auto")
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def check_tuning(settings: TuneSettings, device: torch.device) -> None:
    """See that the encoder phase can run here, before hours of work lead to it.

    Raises:
        ConfigError: float16 without a GPU, or a tracker that is not installed.
    """
    if settings.precision == "float16" and device.type == "cpu":
        raise ConfigError("tune.precision: float16 needs a GPU; use bfloat16, float32 or auto")
    if settings.tracker != "none" and not _is_installed(settings.tracker):
        raise ConfigError(f"tune.tracker: {settings.tracker} is not installed; pip install {settings.tracker}")


def _is_installed(package: str) -> bool:
    # A folder of an earlier run's logs, such as `wandb`, looks like a package without an origin.
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def make_accelerator(settings: TuneSettings, device: torch.device, log_folder: Path | None) -> Accelerator:
    """An accelerator for one phase.

    Raises:
        ConfigError: as `check_tuning`, or a batch that does not divide into the processes' parts.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    check_tuning(settings, device)
    precision = settings.precision
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    # Its settings are one per process; a phase before this one may have left others.
    AcceleratorState._reset_state(reset_partial_state=False)
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=_NAMES[precision],
        gradient_accumulation_steps=settings.accumulate,
        log_with=None if settings.tracker == "none" else settings.tracker,
        project_dir=log_folder,
    )
    num_parts = accelerator.num_processes * settings.accumulate
    if settings.batch_clips % num_parts:
        raise ConfigError(
            f"tune.batch_clips: {settings.batch_clips} clips do not divide into {accelerator.num_processes} processes "
            f"times {settings.accumulate} accumulated parts"
        )
    return accelerator
