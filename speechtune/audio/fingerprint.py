"""An acoustic fingerprint: knows a recording again after a change of level, a lossy codec, or a cut of its edges.

After Haitsma & Kalker, "A Highly Robust Audio Fingerprinting System" (2002): one bit per band and frame says whether
the difference to the next band grows or shrinks. Two recordings of one word by one person differ in almost as many bits
as two of different words; copies differ in few.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ

HOP_SAMPLES = 160
_FFT_SAMPLES = 1_024
_NUM_BITS = 32
_LOWEST_HZ, _HIGHEST_HZ = 250.0, 3_800.0
_STEP_FRAMES = 2
_FLOOR = 1e-8  # 80 dB under the loudest frame: digital silence is no band of its own
_LOUD_SHARE = 1e-3
_MIN_SAMPLES = _FFT_SAMPLES + 4 * HOP_SAMPLES
_MAX_SHIFT_FRAMES = 12
_MIN_OVERLAP = 0.7
MAX_SAMPLES = 10 * SAMPLE_RATE_HZ
"""What follows is not heard."""
_SHAPE_SIZE = 3 * (_NUM_BITS + 1)


@dataclass(frozen=True, eq=False)
class SoundPrint:
    """What a recording is known again by.

    Attributes:
        words: uint32[F], 32 bits for every 10 ms.
        is_loud: bool[F], frames that say something: within 30 dB of the loudest one.
        shape: float32[99], mean, spread and trend of the level of every band, all weighted by power; a gain or a shift
            hardly changes it.
    """

    words: NDArray[np.uint32]
    is_loud: NDArray[np.bool_]
    shape: NDArray[np.float32]


def fingerprint_sound(samples: NDArray[np.float32]) -> SoundPrint | None:
    """The fingerprint of float32[N] at 16 kHz, of its first 10 s; None of silence or of less than 0.1 s."""
    part = samples[:MAX_SAMPLES]
    if len(part) < _MIN_SAMPLES or not part.any():
        return None
    frames = np.lib.stride_tricks.sliding_window_view(part, _FFT_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    # Summed, not multiplied by a matrix: so small a product is slowest where BLAS shares it out among threads.
    edges = _band_edges()
    power = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, edges, axis=1)[:, :-1].astype(np.float32)
    total = power.sum(axis=1)
    levels = np.log(power + _FLOOR * total.max())
    slopes = np.diff(levels, axis=1)
    bits = slopes[_STEP_FRAMES:] > slopes[:-_STEP_FRAMES]
    words = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32)
    is_loud = np.minimum(total[_STEP_FRAMES:], total[:-_STEP_FRAMES]) > _LOUD_SHARE * total.max()
    return SoundPrint(words, is_loud, _shape(levels, total / total.sum()))


def print_to_text(known: SoundPrint) -> str:
    """One word of ASCII, about 10 characters for every 10 ms, that `print_from_text` reads."""
    content = known.words.astype("<u4").tobytes() + known.is_loud.tobytes() + known.shape.astype("<f4").tobytes()
    return base64.urlsafe_b64encode(content).decode()


def print_from_text(text: str) -> SoundPrint:
    """What `print_to_text` wrote.

    Raises:
        ValueError: it did not write this.
    """
    content = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    num_frames, rest = divmod(len(content) - 4 * _SHAPE_SIZE, 5)
    if num_frames < 1 or rest:
        raise ValueError("not a fingerprint of a sound")
    return SoundPrint(
        np.frombuffer(content, "<u4", num_frames).astype(np.uint32),
        np.frombuffer(content, np.uint8, num_frames, 4 * num_frames) > 0,
        np.frombuffer(content, "<f4", _SHAPE_SIZE, 5 * num_frames).astype(np.float32),
    )


def _shape(levels: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = weights @ levels
    centred = levels - mean
    spread = np.sqrt(weights @ centred**2)
    frames = np.arange(len(levels), dtype=np.float32)
    from_centre = frames - weights @ frames
    trend = (weights * from_centre) @ centred / np.sqrt(weights @ from_centre**2 + 1.0)
    shape: NDArray[np.float32] = np.concatenate([mean - mean.mean(), spread, trend]).astype(np.float32)
    return shape


def difference(one: SoundPrint, other: SoundPrint) -> float:
    """Share of bits in which loud frames differ where they fit best: 0 to 1, about 0.45 for different sounds.

    They may be shifted by up to 120 ms against each other, as long as most of the shorter one overlaps.
    """
    num_frames = len(one.words)
    words = one.words ^ _shifted(other.words, num_frames)
    is_loud = one.is_loud & _shifted(other.is_loud, num_frames)
    num_loud = is_loud.sum(axis=1)
    num_differing = np.where(is_loud, np.bitwise_count(words), 0).sum(axis=1)
    fits = num_loud >= max(_MIN_OVERLAP * min(one.is_loud.sum(), other.is_loud.sum()), 1)
    return float((num_differing[fits] / (_NUM_BITS * num_loud[fits])).min(initial=1.0))


_Frame = TypeVar("_Frame", bound=np.generic)


def _shifted(frames: NDArray[_Frame], num_frames: int) -> NDArray[_Frame]:
    """[25, num_frames]: the frames moved by -12 to 12, zero where there are none."""
    padded = np.zeros(num_frames + 2 * _MAX_SHIFT_FRAMES, dtype=frames.dtype)
    kept = frames[: num_frames + _MAX_SHIFT_FRAMES]
    padded[_MAX_SHIFT_FRAMES : _MAX_SHIFT_FRAMES + len(kept)] = kept
    return np.lib.stride_tricks.sliding_window_view(padded, num_frames)


@functools.cache
def _window() -> NDArray[np.float32]:
    window: NDArray[np.float32] = np.hanning(_FFT_SAMPLES).astype(np.float32)
    return window


@functools.cache
def _band_edges() -> NDArray[np.int64]:
    """int64[34]: the first bin of each of 33 bands that are about evenly spaced on a logarithmic scale, and the end."""
    edges = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _NUM_BITS + 2) * _FFT_SAMPLES / SAMPLE_RATE_HZ
    bins = np.round(edges).astype(np.int64)
    for band in range(1, len(bins)):  # no band is empty, low as it may be
        bins[band] = max(bins[band], bins[band - 1] + 1)
    return bins
