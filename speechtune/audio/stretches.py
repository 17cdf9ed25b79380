"""A stretch of a long recording, without reading the rest of it."""

from __future__ import annotations

from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.mono import check_channel, read_mono
from speechtune.audio.opening import opened_sound
from speechtune.audio.resample import resample
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import UnreadableAudioError

_MARGIN_SAMPLES = 1_024  # longer than the resampling filter rings, so that a cut stretch equals a cut of the whole


def read_stretch(path: Path, start_sample: int, end_sample: int, channel: int | None = None) -> NDArray[np.float32]:
    """Samples `start_sample` to `end_sample` - 1, counted at 16 kHz, of a file at any rate; channels are mixed.

    Args:
        path: an audio file; it may be hours long.
        start_sample: 0 or more.
        end_sample: after `start_sample`.
        channel: the one to take, counted from 1; None: the mean of all, or the loudest where they cancel each other.

    Returns:
        float32[end_sample - start_sample] at 16 kHz.

    Raises:
        UnreadableAudioError: missing, not audio, damaged, not finite, or it ends before the stretch does.
        UnsupportedAudioError: no such channel.
    """
    with opened_sound(path) as opened:
        return _read(opened.sound, str(path), start_sample, end_sample, channel)


def count_samples(path: Path) -> int:
    """Length of an audio file in samples at 16 kHz, by its header and what is there.

    Raises:
        UnreadableAudioError: missing or not audio.
    """
    with opened_sound(path) as opened:
        num_samples: int = round(opened.sound.frames * SAMPLE_RATE_HZ / opened.sound.samplerate)
        return num_samples


def _read(
    sound: soundfile.SoundFile, name: str, start_sample: int, end_sample: int, channel: int | None
) -> NDArray[np.float32]:
    check_channel(name, sound.channels, channel)
    # Both clocks tick together every `step` samples at 16 kHz; a cut there keeps the resampler's phase.
    step = SAMPLE_RATE_HZ // gcd(sound.samplerate, SAMPLE_RATE_HZ)
    frames_per_step = sound.samplerate * step // SAMPLE_RATE_HZ
    first_step = max(start_sample - _MARGIN_SAMPLES, 0) // step
    last_step = -(-(end_sample + _MARGIN_SAMPLES) // step)
    num_samples = round(sound.frames * SAMPLE_RATE_HZ / sound.samplerate)
    if end_sample > num_samples:
        raise UnreadableAudioError(
            f"{name}: has {num_samples} samples at 16 kHz, a clip of it ends at {end_sample}; correct the manifest"
        )
    sound.seek(first_step * frames_per_step)
    wanted = min((last_step - first_step) * frames_per_step, sound.frames - first_step * frames_per_step)
    mono, _ = read_mono(sound, name, wanted, channel)
    if len(mono) < wanted:
        raise UnreadableAudioError(f"{name}: truncated before {end_sample} samples; copy or record it again")
    offset = start_sample - first_step * step
    return resample(mono, sound.samplerate)[offset : offset + end_sample - start_sample]
