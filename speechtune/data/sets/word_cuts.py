"""Long speech cut at word-like places, to make clips of words that are no commands. By level alone, without a model."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.levels import FRAME_SAMPLES, SpeechLevels
from speechtune.audio.timebase import samples_from_ms

_PAUSE_MS = 120  # longer than the closure of a stop, shorter than a breath
_MARGIN_MS = 40
_SHORTEST_MS = 240
_WANTED_SHARE = 0.5  # of the window, which is about the length of a word in a window made for words
_LEVEL_RANGE_DB = 30.0
_WEIGHT_OF_LENGTH = 0.25


def cut_at_words(samples: NDArray[np.float32], window_samples: int) -> list[tuple[int, int]]:
    """Stretches of speech that each fit in a window, cut where the speech is softest: between words, mostly.

    Pauses are left out. Speech between two pauses is cut where the level dips, so that the pieces are about half a
    window long: of all such cuts those with the softest edges and the evenest lengths (dynamic programming). Where
    words run into each other a piece may hold two, or end within one.

    Args:
        samples: float32[N] at 16 kHz, any length.
        window_samples: no piece is longer.

    Returns:
        First sample and the one after the last of every piece, in order, none overlapping; empty without speech.

    >>> speech = np.sin(np.arange(16_000)).astype(np.float32)
    >>> speech[:4_800] = speech[9_600:12_800] = 0.0
    >>> cut_at_words(speech, 16_000)
    [(4160, 10240), (12160, 16000)]
    """
    most = window_samples // FRAME_SAMPLES
    least = min(samples_from_ms(_SHORTEST_MS) // FRAME_SAMPLES, most // 2)
    if len(samples) == 0 or least == 0:
        return []
    levels = SpeechLevels(samples)
    loudness = np.clip(1.0 + (levels.frames_dbfs - levels.loud_dbfs) / _LEVEL_RANGE_DB, 0.0, 1.0)
    pieces = []
    for first, last in _phrases(levels.active):
        edges = first + _softest_edges(loudness[first:last], least, most)
        pieces += [(int(start), int(end)) for start, end in itertools.pairwise(edges)]
    return [(start * FRAME_SAMPLES, min(end * FRAME_SAMPLES, len(samples))) for start, end in pieces]


def _softest_edges(loudness: NDArray[np.float64], least: int, most: int) -> NDArray[np.int64]:
    """Where a phrase of F frames, 0 (soft) to 1 (loud), is cut: its ends and what lies between.

    Every piece is `least` to `most` frames long; a phrase too short for that has no edges.
    """
    num_frames = len(loudness)
    cost_of_edge = np.append(np.minimum(loudness[1:], loudness[:-1]), 0.0)  # of a cut after each frame
    lengths = np.arange(least, most + 1)
    cost_of_length = _WEIGHT_OF_LENGTH * np.log2(lengths / (_WANTED_SHARE * most)) ** 2
    total = np.full(num_frames + 1, np.inf)
    total[0] = 0.0
    before = np.zeros(num_frames + 1, dtype=np.int64)
    for end in range(least, num_frames + 1):
        starts = end - lengths[lengths <= end]
        costs = total[starts] + cost_of_length[: len(starts)]
        best = int(costs.argmin())
        total[end] = costs[best] + cost_of_edge[end - 1]
        before[end] = starts[best]
    if not np.isfinite(total[num_frames]):
        return np.zeros(0, dtype=np.int64)
    edges = [num_frames]
    while edges[-1] > 0:
        edges.append(int(before[edges[-1]]))
    return np.array(edges[::-1])


def _phrases(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First frame and the one after the last of every stretch of speech without a pause, and a little around it."""
    frames = np.flatnonzero(active)
    if len(frames) == 0:
        return []
    gaps = np.flatnonzero(np.diff(frames) > samples_from_ms(_PAUSE_MS) // FRAME_SAMPLES)
    margin = samples_from_ms(_MARGIN_MS) // FRAME_SAMPLES
    firsts = np.maximum(frames[np.append(0, gaps + 1)] - margin, 0)
    lasts = np.minimum(frames[np.append(gaps, len(frames) - 1)] + 1 + margin, len(active))
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]
