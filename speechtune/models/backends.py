"""What can run the model of a checkpoint's folder."""

from __future__ import annotations

from enum import StrEnum


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
