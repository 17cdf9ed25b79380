"""Where in its window a clip goes: by its energy, with nothing wrapped round and nothing stretched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.clicks import end_of_pop

_SMOOTHING_SAMPLES = 400  # 25 ms: long enough to bridge the periods of a low voice


def energy_centre(samples: NDArray[np.float32]) -> int:
    """Index about which the energy of float32[N] is balanced; the middle when all samples are zero.

    The energy is taken above its median, so that steady noise does not pull the centre to the middle of the clip.

    >>> energy_centre(np.array([0.0] * 4000 + [0.5] * 2000 + [0.0] * 10000, dtype=np.float32))
    4999
    """
    num_samples = len(samples)
    power = np.square(samples, dtype=np.float64)
    block = min(_SMOOTHING_SAMPLES, num_samples)
    num_blocks = num_samples // block
    level = power[: num_blocks * block].reshape(num_blocks, block).mean(axis=1)
    excess = np.maximum(level - np.median(level), 0.0)
    weights = excess if excess.sum() > 0.0 else level
    if weights.sum() <= 0.0:
        return num_samples // 2
    middles = np.arange(num_blocks) * block + (block - 1) / 2
    return int(np.average(middles, weights=weights))


def cut_window(samples: NDArray[np.float32], start: int, window_samples: int) -> NDArray[np.float32]:
    """Cut float32[window_samples] from `start`, which may lie outside; what is not there is zero.

    >>> cut_window(np.ones(3, dtype=np.float32), -1, 5).tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0]
    """
    window = np.zeros(window_samples, dtype=np.float32)
    first, last = max(start, 0), min(start + window_samples, len(samples))
    if first < last:
        window[first - start : last - start] = samples[first:last]
    return window


def place_by_energy(samples: NDArray[np.float32], window_samples: int, shift_samples: int = 0) -> NDArray[np.float32]:
    """Put the energy centre of a clip in the middle of a window.

    A clip longer than the window is cut, a shorter one is padded with zeros; a clip as long as the window moves too.
    What comes before and with the pop of a microphone that was not there at first is left out: it is no word.

    Args:
        samples: float32[N], N ≥ 1.
        window_samples: length of the result.
        shift_samples: moves the clip later (positive) or earlier in the window.

    Returns:
        float32[window_samples].
    """
    samples = samples[end_of_pop(samples) :]
    start = energy_centre(samples) - window_samples // 2 - shift_samples
    return cut_window(samples, start, window_samples)
