"""What runs a model: torch, or ONNX Runtime on an exported file. Here a name and a place become a served model.

The process that serves an ONNX file imports no torch: a checkpoint folder is exported by a process of its own, once,
into the export folder, under its digest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from speechtune.models.opened import exported_model, is_exported
from speechtune.models.scorers.onnx_scorer import OnnxScorer
from speechtune_server.engine.export_cache import Precision, default_cache, exported_scorer
from speechtune_server.engine.model_store import LoadModel, ServedModel, load_served_model, proven
from speechtune_server.process.config import Backend

_CUDA_DRIVER = Path("/proc/driver/nvidia/version")


def loader_for(backend: Backend, export_folder: Path | None, num_threads: int) -> LoadModel:
    """What loads models for `backend`; a file that is ONNX already is served as it is.

    Args:
        backend: what runs them.
        export_folder: where exports are kept; None: the user's cache.
        num_threads: cores that one window may use.
    """
    chosen = _chosen(backend)

    def load(name: str, place: Path) -> ServedModel:
        if is_exported(place):
            return _served(name, place, OnnxScorer(place, num_threads))
        if chosen in (Backend.TORCH, Backend.TORCH_BF16):
            return load_served_model(name, place, num_threads, "bf16" if chosen is Backend.TORCH_BF16 else "fp32")
        precision: Precision = "int8" if chosen is Backend.ONNX_INT8 else "fp32"
        scorer = exported_scorer(place, precision, export_folder or default_cache(), num_threads)
        return _served(name, place, scorer)

    return load


def _chosen(backend: Backend, has_gpu: Callable[[], bool] = _CUDA_DRIVER.exists) -> Backend:
    if backend is not Backend.AUTO:
        return backend
    return Backend.TORCH if has_gpu() else Backend.ONNX


def _served(name: str, place: Path, scorer: OnnxScorer) -> ServedModel:
    model, precision = exported_model(place, scorer), scorer.description.precision
    settings = model.settings
    return proven(
        ServedModel(
            name, model.digest, model.scorer, settings.detector, settings.endpointing, precision, is_parallel=True
        )
    )
