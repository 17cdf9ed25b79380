"""What can run the model of a checkpoint's folder."""

from __future__ import annotations

from enum import StrEnum

from speechtune.errors import ConfigError


class Backend(StrEnum):
    """What runs the model of a checkpoint's folder."""

    TORCH = "torch"
    TORCH_BF16 = "torch-bf16"
    """torch with products in bfloat16, where the machine has instructions for them."""
    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"

    @property
    def is_torch(self) -> bool:
        """Whether torch runs it, which needs neither an export nor ONNX Runtime."""
        return self in (Backend.TORCH, Backend.TORCH_BF16)


def parse_backend(text: str) -> Backend:
    """A backend by its name.

    Raises:
        ConfigError: anything else.
    """
    try:
        return Backend(text)
    except ValueError as error:
        raise ConfigError(f"backend {text!r}: use {', '.join(Backend)}") from error
