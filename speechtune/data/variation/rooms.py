"""Rooms: impulse responses of shoebox rooms drawn from a seed, through pyroomacoustics (image sources)."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import ConfigError

_SIDES_M = ((2.5, 7.0), (2.5, 6.0), (2.3, 3.2))
_REVERBERATION_S = (0.15, 0.6)
_NEAREST_M = 0.3
_DISTANCE_M = (0.3, 3.0)
_MAX_ORDER = 12
_TRIES = 100


@functools.lru_cache(maxsize=1_000)
def draw_room(seed: int) -> NDArray[np.float32]:
    """The impulse response of a room float32[N] at 16 kHz: a living room or office, somebody speaks 0.3 to 3 m away.

    It begins with the direct sound, whose level is 1, so that a clip keeps its place and about its level. The same
    seed gives the same room.

    Raises:
        ConfigError: pyroomacoustics is not installed.
    """
    try:
        import pyroomacoustics
    except ImportError as error:
        raise ConfigError("rooms: run pip install 'speechtune[rooms]'") from error
    rng = np.random.default_rng(seed)
    sides = np.array([rng.uniform(*limits) for limits in _SIDES_M])
    absorption, _ = pyroomacoustics.inverse_sabine(_reachable(sides, rng.uniform(*_REVERBERATION_S)), sides)
    room = pyroomacoustics.ShoeBox(
        sides, fs=SAMPLE_RATE_HZ, materials=pyroomacoustics.Material(absorption), max_order=_MAX_ORDER
    )
    speaker, microphone = _places(sides, rng)
    room.add_source(speaker)
    room.add_microphone(microphone)
    room.compute_rir()
    response = np.asarray(room.rir[0][0])
    direct = int(np.argmax(np.abs(response)))
    from_direct: NDArray[np.float32] = (response[direct:] / response[direct]).astype(np.float32)
    return from_direct


def reverberate(samples: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[N] heard through an impulse response float32[M], M ≥ 1: float32[N], the tail cut at the clip's end."""
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return wet[: len(samples)].astype(np.float32)


def _reachable(sides: NDArray[np.float64], reverberation_s: float) -> float:
    """The reverberation asked for, or the shortest that walls which swallow nearly everything allow (Sabine)."""
    volume = float(np.prod(sides))
    surface = 2.0 * float(sides[0] * sides[1] + sides[1] * sides[2] + sides[0] * sides[2])
    return max(reverberation_s, 0.161 * volume / surface / 0.95)


def _places(sides: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Speaker and microphone, neither at a wall, as far apart as people speak to devices."""
    for _ in range(_TRIES):
        speaker, microphone = (rng.uniform(_NEAREST_M, sides - _NEAREST_M) for _ in range(2))
        if _DISTANCE_M[0] <= float(np.linalg.norm(speaker - microphone)) <= _DISTANCE_M[1]:
            return speaker, microphone
    return speaker, microphone
