"""Which backend runs a checkpoint where the settings leave it open, and why.

A server has no clips to try int8 on. Training has, and wrote into the checkpoint what it found.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from speechtune.models.checkpoints.files import read_summary
from speechtune.models.int8_agreement import recorded_agreement
from speechtune_server.process.config import Backend

_CUDA_DRIVER = Path("/proc/driver/nvidia/version")
_CPU = Path("/proc/cpuinfo")
_INT8_INSTRUCTIONS = re.compile(r"\b(avx512_vnni|avx_vnni|asimddp)\b")


@dataclass(frozen=True)
class Machine:
    """What matters of the machine.

    Attributes:
        has_gpu: whether torch finds a GPU.
        has_int8: whether its cores multiply int8 in one instruction; else int8 is slower, and sums may overflow.
    """

    has_gpu: bool
    has_int8: bool


@dataclass(frozen=True)
class BackendChoice:
    """A backend, and why it is this one, in a few words."""

    backend: Backend
    reason: str


def this_machine() -> Machine:
    """The machine that this process runs on."""
    is_apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    has_int8 = _INT8_INSTRUCTIONS.search(_CPU.read_text(errors="replace")) is not None if _CPU.is_file() else is_apple
    return Machine(_CUDA_DRIVER.exists(), has_int8)


def choose_backend(wanted: Backend, folder: Path, machine: Machine) -> BackendChoice:
    """What runs the checkpoint in `folder`.

    Raises:
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: as `read_summary`.
    """
    if wanted is not Backend.AUTO:
        return BackendChoice(wanted, "the settings say so")
    if machine.has_gpu:
        return BackendChoice(Backend.TORCH, "there is a GPU")
    if not machine.has_int8:
        return BackendChoice(Backend.ONNX, "this CPU has no instructions for int8")
    agreement = recorded_agreement(read_summary(folder).description.training)
    if agreement is None:
        return BackendChoice(
            Backend.ONNX, "the checkpoint does not say how int8 decides; fine-tune again, or ask for onnx-int8"
        )
    return BackendChoice(Backend.ONNX_INT8 if agreement.is_enough else Backend.ONNX, str(agreement))
