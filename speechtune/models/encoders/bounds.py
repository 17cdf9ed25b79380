"""How large the numbers in a description may be: far beyond any encoder there is, and far below what harms a machine.

A checkpoint may come from anybody. What it says of itself is held against these before anything is built from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from speechtune.audio.timebase import SAMPLE_RATE_HZ

DESCRIPTION_FILE = "checkpoint.json"
"""What describes a checkpoint, in its folder."""
MAX_DESCRIPTION_BYTES = 16 << 20
"""Of `checkpoint.json` and of `recipe.toml`, each."""
MAX_DEPTH = 32
"""Of braces and brackets within each other in `checkpoint.json`."""

NumLayers = Annotated[int, Field(ge=1, le=256)]
Width = Annotated[int, Field(ge=1, le=16_384)]
InnerWidth = Annotated[int, Field(ge=1, le=131_072)]
NumHeads = Annotated[int, Field(ge=1, le=1_024)]
NumFrames = Annotated[int, Field(ge=1, le=100_000)]
NumMelBins = Annotated[int, Field(ge=1, le=1_024)]
KernelSize = Annotated[int, Field(ge=1, le=4_096)]
Few = Annotated[int, Field(ge=1, le=64)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Small = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]
WindowSamples = Annotated[int, Field(ge=1, le=600 * SAMPLE_RATE_HZ)]
NumSegments = Annotated[int, Field(ge=1, le=1_000)]
Keywords = Annotated[tuple[str, ...], Field(max_length=5_000)]
Negatives = Annotated[tuple[str, ...], Field(max_length=50_000)]

Activation = Literal[
    "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh", "leaky_relu",
    "linear", "mish", "quick_gelu", "relu", "relu2", "relu6", "sigmoid", "silu", "swish", "tanh",
]  # fmt: skip
"""The functions that `transformers` knows by name and builds without further settings."""


def is_too_deep(tree: Any) -> bool:
    """Whether JSON lies deeper within itself than `MAX_DEPTH`."""
    level = [tree]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for branch in level
            if isinstance(branch, dict | list)
            for part in (branch.values() if isinstance(branch, dict) else branch)
        ]
    return any(isinstance(part, dict | list) for part in level)
