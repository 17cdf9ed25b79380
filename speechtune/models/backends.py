"""What can run the model of a checkpoint's folder."""

from __future__ import annotations

from enum import StrEnum

from speechtune.errors import ConfigError


class Backend(StrEnum):
    """What runs the model of a checkpoint's folder."""

    TORCH = "torch"
    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"


def parse_backend(text: str) -> Backend:
    """`torch`, `onnx` or `onnx-int8`.

    Raises:
        ConfigError: anything else.
    """
    try:
        return Backend(text)
    except ValueError as error:
        raise ConfigError(f"backend {text!r}: use {', '.join(Backend)}") from error
