"""Frames so quiet that nobody can be speaking need no model: an idle stream then costs almost nothing.

Each frame is judged by itself and by how many quiet ones came before, so that the outcome does not depend on how the
audio was cut.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUIET_PEAK = 0.0001
"""Largest amplitude of a quiet frame: -80 dBFS, three steps of 16 bits, so that neither digital silence nor its dither
costs anything. Speech at -50 dBFS would be cut into by the -60 dBFS that this once was."""
NUM_LISTENED = 10
"""So many quiet frames in a row are still judged by the model, which then remembers no more of the speech before."""


class QuietGate:
    """Counts the quiet frames of one stream, which begins as if silence had gone before."""

    def __init__(self, num_quiet: int = NUM_LISTENED) -> None:
        self.num_quiet = min(num_quiet, NUM_LISTENED)
        """How many of the last frames, one after the other, were quiet; no more than are listened to."""

    def num_skipped(self, peaks: NDArray[np.float32]) -> int:
        """How many of the next frames, from the first on, need no model; they are then passed.

        Args:
            peaks: float32[F], the largest amplitude of each.
        """
        if self.num_quiet < NUM_LISTENED:
            return 0
        loud = np.flatnonzero(peaks >= QUIET_PEAK)
        return int(loud[0]) if len(loud) else len(peaks)

    def num_heard(self, peaks: NDArray[np.float32]) -> int:
        """How many of the next frames, from the first on, the model must judge; they are then passed.

        At least one, where `num_skipped` has just said 0.
        """
        for index, peak in enumerate(peaks.tolist()):
            if peak >= QUIET_PEAK:
                self.num_quiet = 0
            elif self.num_quiet >= NUM_LISTENED:
                return index
            else:
                self.num_quiet += 1
        return len(peaks)
