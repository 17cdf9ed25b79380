"""What can run the model of a checkpoint's folder."""

from __future__ import annotations

from enum import StrEnum


class Backend(StrEnum):
    """What runs the model of a checkpoint's folder."""

    TORCH = "torch"
    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"
