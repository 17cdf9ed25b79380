"""Which backend runs a checkpoint where the settings leave it open, and why.

A server has no clips to try int8 on. Training has, and wrote into the checkpoint what it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from speechtune.models.checkpoints.files import read_summary
from speechtune.models.int8_agreement import recorded_agreement
from speechtune_server.process.config import Backend
from speechtune_server.process.machine import Machine


@dataclass(frozen=True)
class BackendChoice:
    """A backend, and why it is this one, in a few words."""

    backend: Backend
    reason: str


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
