"""What runs a model: torch, or ONNX Runtime on an exported file. Here a name and a place become a served model.

The process that serves an ONNX file imports no torch: a checkpoint folder is exported by a process of its own, once,
into the export folder, under its digest.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from speechtune.errors import CheckpointIncompatibleError
from speechtune.models.checkpoint_files import read_summary
from speechtune.models.onnx_scorer import OnnxScorer
from speechtune_server.model_store import LoadModel, ServedModel, load_served_model

_EXPORT_SECONDS = 600
_CUDA_DRIVER = Path("/proc/driver/nvidia/version")

_log = logging.getLogger(__name__)


class Backend(str, Enum):
    """What runs the models."""

    AUTO = "auto"
    """torch where there is a GPU; else onnx where it is possible; else torch."""
    TORCH = "torch"
    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"


def loader_for(backend: Backend, export_folder: Path | None, num_threads: int) -> LoadModel:
    """What loads models for `backend`; a file that is ONNX already is served as it is.

    Args:
        backend: what runs them.
        export_folder: where exports are kept; None: the user's cache.
        num_threads: cores that one window may use.
    """
    chosen = _chosen(backend)

    def load(name: str, place: Path) -> ServedModel:
        if place.suffix == ".onnx":
            return _served(name, OnnxScorer(place, num_threads))
        if chosen is Backend.TORCH:
            return load_served_model(name, place, num_threads)
        precision = "int8" if chosen is Backend.ONNX_INT8 else "fp32"
        return _served(name, OnnxScorer(_exported(place, precision, export_folder or _cache()), num_threads))

    return load


def _chosen(backend: Backend, has_gpu: Callable[[], bool] = _CUDA_DRIVER.exists) -> Backend:
    if backend is not Backend.AUTO:
        return backend
    return Backend.TORCH if has_gpu() or find_spec("onnx") is None else Backend.ONNX


def _served(name: str, scorer: OnnxScorer) -> ServedModel:
    scorer.score(np.zeros((1, scorer.window_samples), dtype=np.float32))
    said = scorer.description
    return ServedModel(
        name, said.checkpoint_digest, scorer, said.detector, said.endpointing, said.precision, is_parallel=True
    )


def _exported(folder: Path, precision: str, export_folder: Path) -> Path:
    """The export of a checkpoint, made if it is not there yet.

    Raises:
        ModelError: as `read_summary`.
        CheckpointIncompatibleError: it cannot be exported.
    """
    path = export_folder / f"{read_summary(folder).digest}-{precision}.onnx"
    if path.is_file():
        return path
    _log.info("exporting %s to %s", folder, path)
    export_folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-c",
        "from speechtune.cli import main; main()",
        "export",
        str(folder),
        "--out",
        str(path),
    ]
    result = subprocess.run(
        command + (["--int8"] if precision == "int8" else []),
        capture_output=True,
        text=True,
        check=False,
        timeout=_EXPORT_SECONDS,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("speechtune: ")
        raise CheckpointIncompatibleError(f"checkpoint {folder}: cannot be exported to ONNX ({reason})")
    return path


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechtune" / "onnx"
