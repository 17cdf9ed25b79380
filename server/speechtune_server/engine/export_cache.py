"""Checkpoints exported to ONNX, kept under their digest, each made once by a process of its own.

What lies in the cache is checked before it is served: a file that is damaged, of another checkpoint or of another
version is made anew. Servers that start together make an export once, one after the other.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError, ConfigError
from speechtune.file_locks import FOREVER, held
from speechtune.models.checkpoints.files import read_summary
from speechtune.models.opened import need_for_checkpoint
from speechtune.models.scorers.onnx_scorer import OnnxScorer
from speechtune.whole_files import remove_leftovers_of

Precision = Literal["fp32", "int8"]
Export = Callable[[Path, Path, Precision], None]
"""Checkpoint folder, the file to write, and its precision; raises CheckpointIncompatibleError where it cannot."""

_EXPORT_SECONDS = 600
_WATCH = """
import os, sys, threading
def watch():
    os.read(0, 1)
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
"""
"""Ends the process once its standard input does."""

_log = logging.getLogger(__name__)


def default_cache() -> Path:
    """`speechtune/onnx` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechtune" / "onnx"


def export_in_own_process(folder: Path, path: Path, precision: Precision) -> None:
    """Export a checkpoint by another process, so that torch is imported there and not here.

    Raises:
        MissingExtraError: as for `need_for_checkpoint`.
        CheckpointIncompatibleError: it cannot be exported, or not in time.
    """
    need_for_checkpoint(folder)
    arguments = ["export", str(folder), "--out", str(path), "--no-golden", *(["--int8"] if precision == "int8" else [])]
    try:
        result = run_while_we_live("from speechtune.cli import main; main()", arguments, _EXPORT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise CheckpointIncompatibleError(
            f"checkpoint {folder}: was not exported to ONNX within {_EXPORT_SECONDS} s; run speechtune export by hand"
        ) from error
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("speechtune: ")
        raise CheckpointIncompatibleError(f"checkpoint {folder}: cannot be exported to ONNX ({reason})")


def run_while_we_live(code: str, arguments: Sequence[str], max_seconds: float) -> subprocess.CompletedProcess[str]:
    """Run Python `code` in a process that ends when this one does, however that ends.

    Raises:
        subprocess.TimeoutExpired: it took longer than `max_seconds`, and is killed.
    """
    # The other end of the pipe closes when this process has gone, and nobody else holds it.
    ours_to_read, ours_to_hold = os.pipe()
    try:
        return subprocess.run(
            [sys.executable, "-c", _WATCH + code, *arguments],
            stdin=ours_to_read,
            capture_output=True,
            text=True,
            check=False,
            timeout=max_seconds,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    finally:
        os.close(ours_to_read)
        os.close(ours_to_hold)


def exported_scorer(
    folder: Path, precision: Precision, cache: Path, num_threads: int, export: Export = export_in_own_process
) -> OnnxScorer:
    """The scorer of a checkpoint's export, made if it is not in the cache yet, or cannot be used as it lies there.

    Raises:
        ModelError: as `read_summary`; or it cannot be exported.
        ConfigError: the cache cannot be written to.
    """
    digest = read_summary(folder).digest
    path = cache / f"{digest}-{precision}.onnx"
    scorer = _usable(path, digest, precision, num_threads)
    if scorer is not None:
        return scorer
    with _alone(path):
        scorer = _usable(path, digest, precision, num_threads)  # another server may have made it meanwhile
        if scorer is None:
            for leftover in remove_leftovers_of(path):
                _log.warning("%s: removed, an export that was killed had left it there", leftover)
            _log.info("exporting %s to %s", folder, path)
            export(folder, path, precision)
            scorer = OnnxScorer(path, num_threads)
    return scorer


def _usable(path: Path, digest: str, precision: Precision, num_threads: int) -> OnnxScorer | None:
    if not path.is_file():
        return None
    try:
        scorer = OnnxScorer(path, num_threads)
    except (CheckpointCorruptError, CheckpointIncompatibleError) as error:
        _log.warning("a cached export cannot be used and is made anew: %s", error)
        return None
    if (scorer.description.checkpoint_digest, scorer.description.precision) != (digest, precision):
        _log.warning("%s is the export of another checkpoint and is made anew", path)
        return None
    if not scorer.description.is_current:
        _log.warning("%s is an export of an older form and is made anew", path)
        return None
    return scorer


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process makes `path`; a process that dies lets go."""
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(path.with_suffix(".lock"), FOREVER))
        except OSError as error:
            raise ConfigError(
                f"export_folder {path.parent}: cannot be written to ({error.strerror or error}); "
                "set export_folder to a folder that can, or serve a file made with speechtune export"
            ) from error
        yield
