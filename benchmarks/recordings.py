"""What several benchmarks share: recordings beside the repository, keywords, halves of speakers, noisy clips."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import read_audio
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.data.variation.augment import add_noise

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
TEST_NOISE = ("running_tap", "dude_miaowing")
SNR_DB = 5.0


def in_half_a(clip: Clip) -> bool:
    """Whether a speaker belongs to the half that thresholds are chosen on."""
    digest = hashlib.md5(f"x{clip.speaker}".encode(), usedforsecurity=False).hexdigest()
    return int(digest, 16) % 2 == 0


def test_noises(data: Path) -> list[NDArray[np.float32]]:
    """The recordings that training never hears."""
    return [read_audio(data / "noise" / f"{name}.flac") for name in TEST_NOISE]


def noisy_clip(clip: Clip, number: int, recordings: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The samples of a clip in noise at 5 dB; `number` decides in which."""
    rng = np.random.default_rng(number)
    samples = read_clip(clip)
    samples = np.pad(samples, (0, max(0, 16_000 - len(samples))))
    recording = recordings[int(rng.integers(len(recordings)))]
    start = int(rng.integers(len(recording) - len(samples)))
    return add_noise(samples, recording[start : start + len(samples)], SNR_DB)
