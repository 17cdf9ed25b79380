"""Compares what a port gives with golden vectors, and says where they part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ConfigError
from speechtune.models.golden.vectors import Golden, Layer


@dataclass(frozen=True)
class LayerCheck:
    """One layer of a port beside the golden one.

    Attributes:
        layer: the golden one.
        difference: the largest of any value; None: the port did not give the layer, or not in the golden shape.
        problem: what is wrong, for a person; None: nothing.
        is_given: whether the port gave the layer.
    """

    layer: Layer
    difference: float | None
    problem: str | None
    is_given: bool = True


def compare(golden: Golden, outputs: Mapping[str, NDArray[Any]], scale: float = 1.0) -> tuple[LayerCheck, ...]:
    """Check every layer, in the order of the computation; the first with a problem is where a port goes wrong.

    Args:
        golden: what should come out.
        outputs: name of a layer -> what the port gives; layers may be missing.
        scale: multiplies the tolerances.

    Raises:
        ConfigError: no layer at all, or a name that is none.
    """
    names = [layer.name for layer in golden.about.layers]
    if unknown := sorted(set(outputs) - set(names) - {"waveforms"}):
        raise ConfigError(f"outputs: no layer is called {', '.join(unknown)}; the layers are {', '.join(names)}")
    if not set(outputs) & set(names):
        raise ConfigError(f"outputs: hold no layer; give arrays called {', '.join(names)}, as many as you have")
    return tuple(_checked(layer, golden.layers[layer.name], outputs.get(layer.name), scale)
                 for layer in golden.about.layers)  # fmt: skip


def first_problem(checks: tuple[LayerCheck, ...]) -> LayerCheck | None:
    """The first layer that is wrong; None: all that are given are right."""
    return next((check for check in checks if check.problem is not None), None)


def _checked(layer: Layer, expected: NDArray[np.float32], actual: NDArray[Any] | None, scale: float) -> LayerCheck:
    if actual is None:
        return LayerCheck(layer, None, None, is_given=False)
    if actual.dtype.kind not in "fiu":
        return LayerCheck(layer, None, f"holds values of type {actual.dtype}, not numbers")
    if actual.shape != expected.shape:
        return LayerCheck(layer, None, _other_shape(actual.shape, expected.shape))
    values = actual.astype(np.float64)
    if not np.isfinite(values).all():
        place = np.unravel_index(int(np.argmin(np.isfinite(values))), values.shape)
        return LayerCheck(layer, None, f"is not a finite number at {_place(layer, place)}")
    differences = np.abs(values - expected)
    largest, beyond = float(differences.max(initial=0.0)), differences > layer.tolerances * scale
    problem = _difference(layer, differences, values, expected, beyond) if beyond.any() else None
    return LayerCheck(layer, largest, problem)


def _difference(
    layer: Layer,
    differences: NDArray[np.float64],
    values: NDArray[np.float64],
    expected: NDArray[np.float32],
    beyond: NDArray[np.bool_],
) -> str:
    first = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
    worst = np.unravel_index(int(np.argmax(differences / layer.tolerances)), beyond.shape)
    windows = np.flatnonzero(beyond.reshape(len(beyond), -1).any(axis=1))
    where = f"in window{'s' if len(windows) > 1 else ''} {', '.join(map(str, windows))}"
    parts = _parts_beyond(layer, beyond)
    return (
        f"differs {where}{parts}, in {beyond.mean():.1%} of the values: first at {_place(layer, first)} "
        f"({values[first]:.6g}, expected {expected[first]:.6g}), most at {_place(layer, worst)} "
        f"({values[worst]:.6g}, expected {expected[worst]:.6g})"
    )


def _parts_beyond(layer: Layer, beyond: NDArray[np.bool_]) -> str:
    """Which named stretches of the last axis are wrong, if not all of them are."""
    if len(layer.parts) < 2:
        return ""
    ends = np.cumsum([part.size for part in layer.parts])
    wrong = [part.name for part, end in zip(layer.parts, ends, strict=True) if beyond[..., end - part.size : end].any()]
    return "" if len(wrong) == len(layer.parts) else f", only in {', '.join(wrong)}"


def _other_shape(actual: tuple[int, ...], expected: tuple[int, ...]) -> str:
    hint = ""
    if actual == (expected[0], *reversed(expected[1:])):
        hint = "; its axes are the other way round"
    elif actual == expected[1:] or actual[1:] == expected[1:]:
        hint = f"; give all {expected[0]} windows"
    return f"has shape {list(actual)}, not {list(expected)}{hint}"


def _place(layer: Layer, index: tuple[Any, ...]) -> str:
    return ", ".join(f"{axis} {int(number)}" for axis, number in zip(layer.axes, index, strict=True))
