"""Clips that tests make up: speech-like sounds on disk, and clips that exist in name only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.clips import Clip


def word_like(seed: int, num_samples: int = 12_000, level: float = 0.3) -> NDArray[np.float32]:
    """A buzz with formants that rises and falls in the middle of faint noise: float32[N] at 16 kHz."""
    rng = np.random.default_rng(seed)
    time = np.arange(num_samples) / SAMPLE_RATE_HZ
    pitch_hz = rng.uniform(90, 220)
    harmonics = [
        np.sin(2 * np.pi * pitch_hz * number * time + rng.uniform(0, 6)) / number
        for number in range(1, int(7_500 / pitch_hz))
    ]
    envelope = np.clip(np.sin(np.pi * (np.arange(num_samples) / num_samples * 1.6 - 0.3)), 0, None) ** 2
    voiced = np.sum(harmonics, axis=0) * envelope
    samples = level * voiced / np.max(np.abs(voiced), initial=1e-9) + 0.0005 * rng.standard_normal(num_samples)
    return samples.astype(np.float32)


def write_audio(
    path: Path, samples: NDArray[np.float32], rate_hz: int = SAMPLE_RATE_HZ, subtype: str = "PCM_16"
) -> Path:
    """Write an audio file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def make_folder(root: Path, num_clips: Mapping[str, int], suffix: str = ".wav") -> Path:
    """A folder per label with so many clips of their own content each."""
    seed = 0
    for label, count in num_clips.items():
        for number in range(count):
            seed += 1
            write_audio(root / label / f"{number}{suffix}", word_like(seed, 4_000))
    return root


def named_clip(number: int, label: str = "yes", speaker: str | None = None, session: str | None = None) -> Clip:
    """A clip whose file does not exist, for what never reads it."""
    return Clip(Path(f"/nowhere/{label}/{number}.wav"), label, speaker=speaker, session=session)
