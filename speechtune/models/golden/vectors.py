"""The file of golden vectors beside an exported model: an uncompressed `.npz`, which every language can read.

It holds `waveforms`, one array for each layer, and `about`: JSON that says what they are.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speechtune.errors import CheckpointCorruptError, CheckpointNotFoundError, ConfigError
from speechtune.ordinary_files import open_ordinary
from speechtune.whole_files import write_whole

GOLDEN_SUFFIX = ".golden.npz"
WAVEFORMS = "waveforms"
LAST_LAYER = "posteriors"

_ABOUT = "about"
_MOST_BYTES = 256 << 20
_SHARE = {"fp32": 1e-3, "int8": 2e-2}
"""Of the largest value of a part of a layer, or of 1: so far may a port be from it."""
_LAST_TOLERANCE = {"fp32": 1e-3, "int8": 5e-2}


class Part(BaseModel):
    """A stretch of the last axis of a layer.

    Attributes:
        name: of a block of the embedding, of a class, of a label, or of all there is.
        size: how many values.
        tolerance: largest difference of any of them that a faithful port may have.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size: Annotated[int, Field(ge=1)]
    tolerance: Annotated[float, Field(gt=0.0)]


class Layer(BaseModel):
    """One layer of a port.

    Attributes:
        name: of its array.
        axes: what its axes are, such as window, mel band, frame.
        parts: of the last axis, which they fill.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    axes: tuple[str, ...]
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    @property
    def tolerances(self) -> NDArray[np.float64]:
        """float64[size of the last axis]."""
        return np.repeat([part.tolerance for part in self.parts], [part.size for part in self.parts])


class About(BaseModel):
    """What the vectors are.

    Attributes:
        checkpoint_digest: of the checkpoint that was exported.
        model_sha256: of the exported file, hex.
        precision: of the exported file.
        sample_rate_hz: of the waveforms.
        layers: in the order of the computation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["speechtune-golden"] = "speechtune-golden"
    format_version: Literal[1] = 1
    checkpoint_digest: str
    model_sha256: str
    precision: Literal["fp32", "int8"]
    sample_rate_hz: int
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)]


@dataclass(frozen=True, eq=False)
class Golden:
    """Golden vectors.

    Attributes:
        about: what they are.
        waveforms: float32[B, N], the input.
        layers: name of a layer -> what it gives.
    """

    about: About
    waveforms: NDArray[np.float32]
    layers: Mapping[str, NDArray[np.float32]]


def golden_path(model: Path) -> Path:
    """Where the golden vectors of an exported file are.

    >>> golden_path(Path("out/lights.onnx")).name
    'lights.golden.npz'
    """
    return model.with_name(model.stem + GOLDEN_SUFFIX)


def parts_of(
    layer: str,
    values: NDArray[np.float32],
    precision: Literal["fp32", "int8"],
    sizes: Mapping[str, int] | None = None,
    *,
    is_exact: bool = False,
) -> tuple[Part, ...]:
    """The parts of a layer, each with the largest difference that a faithful port may have.

    Args:
        layer: its name.
        values: what it gives.
        precision: of the exported file.
        sizes: name of a part -> its size. Defaults to one part.
        is_exact: the layer comes before everything that int8 rounds.
    """
    parts, start = [], 0
    for name, size in (sizes or {layer: values.shape[-1]}).items():
        largest = float(np.abs(values[..., start : start + size]).max(initial=0.0))
        share = _SHARE["fp32" if is_exact else precision]
        tolerance = _LAST_TOLERANCE[precision] if layer == LAST_LAYER else share * max(largest, 1.0)
        parts.append(Part(name=name, size=size, tolerance=tolerance))
        start += size
    return tuple(parts)


def write_golden(golden: Golden, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = {WAVEFORMS: golden.waveforms, **golden.layers}
    np.savez(content, allow_pickle=False, **{_ABOUT: np.array(golden.about.model_dump_json())}, **arrays)
    try:
        write_whole(path, content.getvalue())
    except OSError as error:
        raise ConfigError(f"export {path}: cannot be written ({error.strerror or error})") from error


def read_golden(path: Path) -> Golden:
    """Read golden vectors.

    Raises:
        CheckpointNotFoundError: there is no such file.
        CheckpointCorruptError: it is damaged, or something else.
    """
    if not path.is_file():
        raise CheckpointNotFoundError(
            f"golden vectors {path}: no such file; speechtune export writes it beside the .onnx file: export it again, "
            "or name the file with --golden"
        )
    arrays = read_arrays(path, "golden vectors")
    text = arrays.pop(_ABOUT, None)
    waveforms = arrays.pop(WAVEFORMS, None)
    try:
        about = About.model_validate_json(str(text))
    except ValidationError as error:
        first = error.errors()[0]
        raise CheckpointCorruptError(
            f"golden vectors {path}: {'.'.join(map(str, first['loc'])) or 'about'}: {first['msg']}; export it again"
        ) from error
    names = [layer.name for layer in about.layers]
    if waveforms is None or set(names) != set(arrays) or not all(map(_fits, about.layers, map(arrays.get, names))):
        raise CheckpointCorruptError(f"golden vectors {path}: its arrays are not those it describes; export it again")
    return Golden(about, waveforms.astype(np.float32), {name: arrays[name].astype(np.float32) for name in names})


def _fits(layer: Layer, array: NDArray[Any] | None) -> bool:
    return array is not None and array.ndim == len(layer.axes) and array.shape[-1] == sum(p.size for p in layer.parts)


def read_arrays(path: Path, what: str) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz`; nothing in it is run.

    Raises:
        CheckpointCorruptError: it cannot be read as one.
    """
    try:
        with open_ordinary(path) as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"larger than {_MOST_BYTES >> 20} MiB")
        stored = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(stored, np.lib.npyio.NpzFile):
            raise ValueError("a single array; give an .npz with an array for each layer, by its name")
        with stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointCorruptError(f"{what} {path}: cannot be read ({reason})") from error


def sha256_of(content: bytes) -> str:
    """Hex, as `About.model_sha256` has it."""
    return hashlib.sha256(content).hexdigest()
