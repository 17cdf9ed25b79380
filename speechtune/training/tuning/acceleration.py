"""`accelerate` as this library uses it: precision, processes, trackers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from speechtune.errors import ConfigError
from speechtune.models.precision import has_bfloat16
from speechtune.recipe import TuneSettings
from speechtune.training.method import check_tuning

if TYPE_CHECKING:
    from accelerate import Accelerator

_NAMES = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


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
