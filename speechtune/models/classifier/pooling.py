"""Frames of a window to one embedding."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from speechtune.errors import ConfigError

_VARIANCE_FLOOR = 1e-8  # keeps the root's gradient finite where a frame never changes


class SegmentStatsPooling(nn.Module):
    """Mean and standard deviation over time, then the means of equal segments, which keep the order of the sounds."""

    def __init__(self, num_segments: int = 1) -> None:
        """Take 1 segment (the mean alone, which is not repeated) or more.

        Raises:
            ConfigError: fewer than one segment.
        """
        super().__init__()
        if num_segments < 1:
            raise ConfigError(f"encoder.num_segments: {num_segments}; use 1 or more")
        self.num_segments = num_segments

    @property
    def num_statistics(self) -> int:
        """How many vectors of a frame's width an embedding holds.

        >>> SegmentStatsPooling(3).num_statistics, SegmentStatsPooling(1).num_statistics
        (5, 2)
        """
        return 2 + (self.num_segments if self.num_segments > 1 else 0)

    def forward(self, frames: Tensor) -> Tensor:
        """float32[B, T, D] to float32[B, D · num_statistics].

        Raises:
            ConfigError: fewer frames than segments.
        """
        num_frames = frames.shape[1]
        if num_frames < self.num_segments:
            raise ConfigError(
                f"encoder.num_segments: {self.num_segments} segments need as many frames; the window has {num_frames}"
            )
        variance, mean = torch.var_mean(frames, dim=1, correction=0)
        statistics = [mean, (variance + _VARIANCE_FLOOR).sqrt()]
        if self.num_segments > 1:
            bounds = [index * num_frames // self.num_segments for index in range(self.num_segments + 1)]
            statistics += [frames[:, start:end].mean(dim=1) for start, end in pairwise(bounds)]
        return torch.cat(statistics, dim=1)
