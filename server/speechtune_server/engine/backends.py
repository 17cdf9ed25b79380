"""What runs a model: torch, or ONNX Runtime on an exported file. Here a name and a place become a served model.

The process that serves an ONNX file imports no torch: a checkpoint folder is exported by a process of its own, once,
into the export folder, under its digest.
"""

from __future__ import annotations

from pathlib import Path

from speechtune.models.backends import Backend as ModelBackend
from speechtune.models.opened import exported_model, is_exported, need_for_checkpoint, open_model
from speechtune_server.engine.choice import BackendChoice, choose_backend
from speechtune_server.engine.export_cache import Precision, default_cache, exported_scorer
from speechtune_server.engine.model_store import LoadModel, ServedModel, served_model
from speechtune_server.process.config import Backend
from speechtune_server.process.machine import Machine, this_machine

_EXPORTED = {"fp32": Backend.ONNX, "int8": Backend.ONNX_INT8}
_BY_TORCH = BackendChoice(Backend.TORCH, "the settings say so")


def loader_for(
    backend: Backend, export_folder: Path | None, num_threads: int, machine: Machine | None = None
) -> LoadModel:
    """What loads models for `backend`; a file that is ONNX already is served as it is.

    Args:
        backend: what runs them.
        export_folder: where exports are kept; None: the user's cache.
        num_threads: cores that one window may use.
        machine: that they run on; None: this one.
    """
    here = machine or this_machine()

    def load(name: str, place: Path) -> ServedModel:
        if is_exported(place):
            model = open_model(place, num_threads=num_threads, num_cores=1)
            chosen = BackendChoice(_EXPORTED[model.precision], "it was exported so")
            return served_model(name, model, chosen)
        chosen = choose_backend(backend, place, here)
        if chosen.backend in (Backend.TORCH, Backend.TORCH_BF16):
            return load_served_model(name, place, chosen, num_threads)
        precision: Precision = "int8" if chosen.backend is Backend.ONNX_INT8 else "fp32"
        scorer = exported_scorer(place, precision, export_folder or default_cache(), num_threads)
        return served_model(name, exported_model(place, scorer), chosen)

    return load


def load_served_model(
    name: str, folder: Path, chosen: BackendChoice = _BY_TORCH, num_threads: int | None = None
) -> ServedModel:
    """Load a checkpoint into torch, onto a GPU where there is one.

    Raises:
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError, MissingExtraError, ConfigError: as
            `open_model`.
    """
    need_for_checkpoint(folder)
    import torch

    if num_threads is not None:
        torch.set_num_threads(num_threads)
    return served_model(name, open_model(folder, ModelBackend(chosen.backend), use_gpu=True), chosen)
