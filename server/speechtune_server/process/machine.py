"""What matters of the machine that the server runs on."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

_CUDA_DRIVER = Path("/proc/driver/nvidia/version")
_CPU = Path("/proc/cpuinfo")
_INT8_INSTRUCTIONS = re.compile(r"\b(avx512_vnni|avx_vnni|asimddp)\b")


@dataclass(frozen=True)
class Machine:
    """A machine, as far as it decides what runs a model and how many streams are taken.

    Attributes:
        num_cores: that the process may use.
        has_gpu: whether torch finds a GPU.
        has_int8: whether a core multiplies int8 in one instruction; without it int8 is slower, and sums may overflow.
    """

    num_cores: int
    has_gpu: bool
    has_int8: bool


def this_machine() -> Machine:
    """The machine that this process runs on."""
    is_apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    has_int8 = _INT8_INSTRUCTIONS.search(_CPU.read_text(errors="replace")) is not None if _CPU.is_file() else is_apple
    return Machine(len(os.sched_getaffinity(0)), _CUDA_DRIVER.exists(), has_int8)
