"""Samples that a caller of the library holds as a numpy array, checked and brought to float32."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.pcm import amplitude_fault
from speechtune.errors import UnreadableAudioError, UnsupportedAudioError

Samples: TypeAlias = NDArray[np.floating[Any]] | NDArray[np.int16]
"""One channel: floating-point amplitudes in -1 to 1, or 16-bit values."""

_FULL_SCALE = np.float32(1.0 / 32768.0)


def as_samples(array: Samples) -> NDArray[np.float32]:
    """The same audio as float32[N], nominal range -1 to 1; `array` has one dimension.

    Raises:
        UnsupportedAudioError: it has several dimensions, or integers that are not of 16 bits.
        UnreadableAudioError: a value is not finite, or far beyond full scale.

    >>> as_samples(np.array([0, -16384], dtype=np.int16)).tolist()
    [0.0, -0.5]
    """
    if array.ndim != 1:
        raise UnsupportedAudioError(
            f"samples of shape {array.shape}: one channel is taken, as an array of one dimension; choose a channel, or "
            "take the mean of all"
        )
    if array.dtype == np.int16:
        return array.astype(np.float32) * _FULL_SCALE
    if not np.issubdtype(array.dtype, np.floating):
        raise UnsupportedAudioError(
            f"samples of type {array.dtype}: int16 and floating-point samples are taken; convert them first"
        )
    samples = np.ascontiguousarray(array, dtype=np.float32)
    if (fault := amplitude_fault(samples)) is not None:
        raise UnreadableAudioError(f"the samples hold {fault}")
    return samples
