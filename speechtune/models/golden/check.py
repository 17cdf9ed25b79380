"""Checks an exported file, and a port of it, against the golden vectors. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from speechtune.errors import CheckpointIncompatibleError, CheckpointNotFoundError, ConfigError
from speechtune.models.golden.comparison import LayerCheck, compare, first_problem
from speechtune.models.golden.onnx_layers import exported_digest, layer_values
from speechtune.models.golden.vectors import golden_path, read_arrays, read_golden, sha256_of


@dataclass(frozen=True)
class ExportCheck:
    """What was found.

    Attributes:
        file: the layers of the exported file, run by ONNX Runtime on this machine.
        port: the layers of a port; None: none was given.
        notes: what a reader should know.
    """

    file: tuple[LayerCheck, ...]
    port: tuple[LayerCheck, ...] | None
    notes: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether every layer that was given is within its tolerance."""
        return all(first_problem(checks) is None for checks in (self.file, self.port or ()))


def check_export(
    model: Path, golden: Path | None = None, outputs: Path | None = None, *, scale: float = 1.0
) -> ExportCheck:
    """Check the exported file `model`, and what a port of it gives.

    Args:
        model: the `.onnx` file.
        golden: the golden vectors. Defaults to those beside the file.
        outputs: an `.npz` of a port with an array for each layer that it has, called as in the golden vectors.
        scale: multiplies the tolerances; a port in half precision needs more.

    Raises:
        CheckpointNotFoundError: no such file, or no golden vectors.
        CheckpointCorruptError: a file cannot be read or run.
        CheckpointIncompatibleError: the golden vectors are of another checkpoint, or it is another program's file.
        ConfigError: the port's arrays are not called like layers, or `scale` is not positive.
    """
    if not 0.0 < scale < float("inf"):
        raise ConfigError(f"tolerance {scale}: use a positive number; 1 is that of the golden vectors")
    if not model.is_file():
        raise CheckpointNotFoundError(f"model {model}: no such file; make it with speechtune export")
    vectors, content, notes = read_golden(golden or golden_path(model)), model.read_bytes(), []
    digest = exported_digest(content, f"model {model}")
    if digest is not None and digest != vectors.about.checkpoint_digest:
        raise CheckpointIncompatibleError(
            f"golden vectors of checkpoint {vectors.about.checkpoint_digest[:12]}, but {model} is of {digest[:12]}; "
            "export it again, or name the right ones with --golden"
        )
    if sha256_of(content) != vectors.about.model_sha256:
        notes.append(f"{model} is not the file as it was exported: it was changed since, or exported again")
    names = [layer.name for layer in vectors.about.layers]
    found = layer_values(content, vectors.waveforms, names, f"model {model}")
    if missing := [name for name in names if name not in found]:
        notes.append(f"{model} names no layer {', '.join(missing)}: a tool has changed the graph")
    port = None
    if outputs is not None:
        if not outputs.is_file():
            raise ConfigError(f"--outputs {outputs}: no such file")
        port = compare(vectors, read_arrays(outputs, "outputs"), scale)
    return ExportCheck(compare(vectors, found, scale), port, tuple(notes))
