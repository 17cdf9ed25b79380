"""How a clip is varied for training. Pure functions of (samples, numbers or a random generator); torchaudio resamples.

Samples are float32[N] at 16 kHz; a function never changes its argument.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.placement import place_by_energy
from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms
from speechtune.data.variation.channels import shift_formants, through_a_channel
from speechtune.data.variation.rooms import draw_room, reverberate
from speechtune.recipe import AugmentSettings

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

_BLOCK_SAMPLES = 160
_LOUDEST_BLOCKS = 40  # 400 ms: about the length of a short word
_SPEED_STEPS = 100  # speeds are rounded to a hundredth, so that few resampling filters are built
_SYNTHETIC_NOISE_SHARE = 0.3
_DECAY_PER_RT60 = np.log(1e3)  # 60 dB in amplitude
_SILENCE_LEVEL_DB = (-70.0, -15.0)


def change_speed(samples: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Play float32[N] `factor` times as fast: float32[N / factor], pitch and tempo changed together.

    The factor, 0.5 to 2.0, is rounded to a hundredth.
    """
    import torch

    step = round(factor * _SPEED_STEPS)
    if step == _SPEED_STEPS:
        return samples.copy()
    faster: NDArray[np.float32] = _resampler(step)(torch.tensor(samples)).numpy()
    return faster


def change_gain(samples: NDArray[np.float32], gain_db: float) -> NDArray[np.float32]:
    """Make float32[N] louder by `gain_db` decibels (negative: softer); nothing is clipped."""
    louder: NDArray[np.float32] = samples * np.float32(10.0 ** (gain_db / 20.0))
    return louder


def speech_power(samples: NDArray[np.float32]) -> float:
    """Mean power of the loudest 400 ms of float32[N]: the level of the word, not of the pauses around it."""
    num_blocks = len(samples) // _BLOCK_SAMPLES
    if num_blocks == 0:
        return float(np.square(samples, dtype=np.float64).mean()) if len(samples) else 0.0
    blocks = samples[: num_blocks * _BLOCK_SAMPLES].reshape(num_blocks, _BLOCK_SAMPLES)
    power = np.square(blocks, dtype=np.float64).mean(axis=1)
    width = min(_LOUDEST_BLOCKS, num_blocks)
    totals = np.convolve(power, np.ones(width), mode="valid")
    return float(totals.max() / width)


def add_noise(samples: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float) -> NDArray[np.float32]:
    """Add noise so that the word lies `snr_db` above it.

    Args:
        samples: float32[N], a word; its level is that of its loudest 400 ms (`speech_power`).
        noise: float32[N]; its level is its mean power after its mean is taken off.
        snr_db: ratio of the two levels in decibels.

    Returns:
        float32[N]; `samples` themselves where either is silent, since no ratio is defined then.
    """
    centred = noise - noise.mean(dtype=np.float64).astype(np.float32)
    noise_power = float(np.square(centred, dtype=np.float64).mean())
    word_power = speech_power(samples)
    if noise_power <= 0.0 or word_power <= 0.0:
        return samples.copy()
    scale = np.sqrt(word_power / noise_power / 10.0 ** (snr_db / 10.0))
    noisy: NDArray[np.float32] = samples + centred * np.float32(scale)
    return noisy


def coloured_noise(num_samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of a random colour between white and brown, float32[num_samples], unit power."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    frequency = np.maximum(np.arange(len(spectrum)), 1)
    noise = np.fft.irfft(spectrum / frequency ** rng.uniform(0.0, 1.0), num_samples)
    unit: NDArray[np.float32] = (noise / (noise.std() + 1e-12)).astype(np.float32)
    return unit


def noise_crop(
    recordings: Sequence[NDArray[np.float32]], num_samples: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A random stretch of a random recording, or synthetic noise three times in ten and where there is no recording.

    A recording shorter than `num_samples` is repeated.
    """
    if not recordings or rng.random() < _SYNTHETIC_NOISE_SHARE:
        return coloured_noise(num_samples, rng)
    recording = recordings[int(rng.integers(len(recordings)))]
    if len(recording) <= num_samples:
        return np.resize(recording, num_samples)
    start = int(rng.integers(len(recording) - num_samples))
    return recording[start : start + num_samples]


def small_room(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """float32[N] as heard in a small room: an exponentially decaying tail of noise behind the direct sound.

    The reverberation time is 0.1 to 0.4 s, the tail's amplitude 0.1 to 0.4 of the direct sound's.
    """
    seconds = rng.uniform(0.1, 0.4)
    length = int(min(seconds, 0.3) * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(length) * np.exp(-_DECAY_PER_RT60 * np.arange(length) / (seconds * SAMPLE_RATE_HZ))
    tail *= rng.uniform(0.1, 0.4) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    size = len(samples) + length
    heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    return heard.astype(np.float32)


def augmented_window(
    samples: NDArray[np.float32],
    window_samples: int,
    settings: AugmentSettings,
    recordings: Sequence[NDArray[np.float32]],
    rng: np.random.Generator,
    *,
    changes_speed: bool,
) -> NDArray[np.float32]:
    """One varied copy of a clip in its window: speed, formants, room, place, noise, channel, level, in this order.

    Args:
        samples: float32[N], the clip.
        window_samples: length of the result.
        settings: the ranges.
        recordings: background noises, each float32[any].
        rng: decides; the same state gives the same copy.
        changes_speed: whether `settings.speed` and `settings.formants` apply.

    Raises:
        ConfigError: simulated rooms are asked for, and pyroomacoustics is not installed.
    """
    varied = change_speed(samples, rng.uniform(*settings.speed)) if changes_speed else samples
    # What is off draws no number: a recipe from before it was there gives the copies that it gave.
    if changes_speed and settings.formants:
        varied = shift_formants(varied, 1.0 + rng.uniform(-settings.formants, settings.formants))
    if rng.random() < settings.reverb_probability:
        room = draw_room(int(rng.integers(settings.rooms))) if settings.rooms else None
        varied = small_room(varied, rng) if room is None else _at_level_of(varied, reverberate(varied, room))
    shift = samples_from_ms(settings.shift_ms)
    window = place_by_energy(varied, window_samples, int(rng.integers(-shift, shift + 1)))
    if rng.random() < settings.noise_probability:
        window = add_noise(window, noise_crop(recordings, window_samples, rng), rng.uniform(*settings.snr_db))
    if settings.channel_probability and rng.random() < settings.channel_probability:
        window = through_a_channel(window, rng)
    return change_gain(window, rng.uniform(*settings.gain_db))


def silence_window(
    window_samples: int, recordings: Sequence[NDArray[np.float32]], rng: np.random.Generator
) -> NDArray[np.float32]:
    """A window in which nobody speaks, float32[window_samples]: noise between -70 and -15 dBFS."""
    noise = noise_crop(recordings, window_samples, rng)
    level = np.sqrt(np.square(noise, dtype=np.float64).mean()) + 1e-12
    gain_db = float(rng.uniform(*_SILENCE_LEVEL_DB)) - 20.0 * float(np.log10(level))
    return change_gain(noise, gain_db)


def _at_level_of(samples: NDArray[np.float32], changed: NDArray[np.float32]) -> NDArray[np.float32]:
    """`changed` as loud as `samples`; as it is where either is silent."""
    power, changed_power = speech_power(samples), speech_power(changed)
    if power <= 0.0 or changed_power <= 0.0:
        return changed
    return change_gain(changed, 10.0 * float(np.log10(power / changed_power)))


@functools.lru_cache(maxsize=128)
def _resampler(step: int) -> Resample:
    from torchaudio.transforms import Resample

    return Resample(orig_freq=step, new_freq=_SPEED_STEPS)
