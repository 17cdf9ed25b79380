"""How long the window must be for the words of a data set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.levels import main_stretch
from speechtune.audio.timebase import samples_from_ms

SHORTEST_MS = 1_000
"""Shorter windows save little, and the encoders were never asked for less in the figures."""

LONGEST_MS = 8_000
_STEP_MS = 100
_MARGIN_MS = 200
_SHARE_OF_CLIPS = 95.0


def choose_window_samples(keyword_clips: Iterable[NDArray[np.float32]]) -> int:
    """The window that holds nearly all keywords with a margin, in whole tenths of a second.

    Args:
        keyword_clips: the keywords' clips, each float32[any]; what lies beside the word or phrase does not
            count, lest a chair moved half a second later makes every window twice as long.

    Returns:
        Samples, 1,000 to 8,000 ms; 1,000 ms without clips, and never longer than the longest clip asks for.
    """
    spoken, longest_clip = [], 0
    for clip in keyword_clips:
        start, end = main_stretch(clip)
        spoken.append(end - start)
        longest_clip = max(longest_clip, len(clip))
    if not spoken:
        return samples_from_ms(SHORTEST_MS)
    needed = float(np.percentile(spoken, _SHARE_OF_CLIPS)) + samples_from_ms(_MARGIN_MS)
    steps = int(np.ceil(min(needed, longest_clip) / samples_from_ms(_STEP_MS)))
    return samples_from_ms(int(np.clip(steps * _STEP_MS, SHORTEST_MS, LONGEST_MS)))
