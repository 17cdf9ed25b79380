"""What throats, lines and codecs do to a clip. Pure functions of float32[N] at 16 kHz; none changes its argument."""

from __future__ import annotations

import functools
import io
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import ConfigError

_MU = 255.0
_TELEPHONE_HZ = (300.0, 3_400.0)
_LOW_EDGES_HZ, _HIGH_EDGES_HZ = (0.0, 400.0), (2_500.0, 7_000.0)
_QUALITIES = (0.0, 0.6)
_EDGE_HZ = 50.0
Codec = Literal["opus", "vorbis", "mp3"]
_FORMS: dict[Codec, tuple[str, str]] = {
    "opus": ("OGG", "OPUS"),
    "vorbis": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


def limit_band(samples: NDArray[np.float32], low_hz: float, high_hz: float) -> NDArray[np.float32]:
    """Keep the frequencies from `low_hz` to `high_hz`; those more than 50 Hz outside are gone. Nothing is delayed.

    Raises:
        ConfigError: not 0 ≤ low < high.
    """
    if not 0.0 <= low_hz < high_hz:
        raise ConfigError(f"band {low_hz} to {high_hz} Hz: the lower edge comes first and is not negative")
    frequency = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE_HZ)
    rising = np.clip((frequency - low_hz) / _EDGE_HZ + 1.0, 0.0, 1.0) if low_hz > 0.0 else np.ones_like(frequency)
    falling = np.clip((high_hz - frequency) / _EDGE_HZ + 1.0, 0.0, 1.0)
    limited: NDArray[np.float32] = np.fft.irfft(np.fft.rfft(samples) * rising * falling, len(samples)).astype(
        np.float32
    )
    return limited


def mu_law(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Eight bits per sample, companded as in ITU-T G.711 (µ = 255) and back; values beyond ±1 are clipped."""
    clipped = np.clip(samples, -1.0, 1.0)
    companded = np.sign(clipped) * np.log1p(_MU * np.abs(clipped)) / np.log1p(_MU)
    quantised = np.round(companded * 127.0) / 127.0
    expanded: NDArray[np.float32] = (np.sign(quantised) * np.expm1(np.abs(quantised) * np.log1p(_MU)) / _MU).astype(
        np.float32
    )
    return expanded


def telephone(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A narrow-band telephone line: 300 to 3,400 Hz, 8 kHz, µ-law."""
    narrow = soxr.resample(limit_band(samples, *_TELEPHONE_HZ), SAMPLE_RATE_HZ, 8_000)
    wide: NDArray[np.float32] = soxr.resample(mu_law(narrow), 8_000, SAMPLE_RATE_HZ).astype(np.float32)
    return np.pad(wide, (0, max(len(samples) - len(wide), 0)))[: len(samples)]


def through_codec(samples: NDArray[np.float32], codec: Codec, quality: float = 0.5) -> NDArray[np.float32]:
    """Encode and decode by libsndfile: float32[N] again, in time with the original; values beyond ±1 are clipped.

    Args:
        samples: float32[N], N ≥ 1.
        codec: `opus`, `vorbis` or `mp3`.
        quality: 0 (smallest) to 1 (best).

    Raises:
        ConfigError: this libsndfile does not have the codec, or a quality out of range.
    """
    if not 0.0 <= quality <= 1.0:
        raise ConfigError(f"codec quality {quality}: 0 to 1")
    container, subtype = _FORMS[codec]
    if subtype not in _subtypes_of(container):
        raise ConfigError(f"codec {codec}: this libsndfile was built without it; leave it out")
    content = io.BytesIO()
    soundfile.write(
        content,
        np.clip(samples, -1.0, 1.0),
        SAMPLE_RATE_HZ,
        format=container,
        subtype=subtype,
        compression_level=1.0 - quality,
    )
    content.seek(0)
    decoded, rate_hz = soundfile.read(content, dtype="float32")
    if rate_hz != SAMPLE_RATE_HZ:
        decoded = soxr.resample(decoded, rate_hz, SAMPLE_RATE_HZ).astype(np.float32)
    padded: NDArray[np.float32] = np.pad(decoded, (0, max(len(samples) - len(decoded), 0)))[: len(samples)]
    return padded


def through_a_channel(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A telephone, a narrower band, companding, or a codec that this libsndfile has, at one of its lower qualities.

    Args:
        samples: float32[N], N ≥ 1.
        rng: decides which.
    """
    codecs = [name for name, (container, subtype) in _FORMS.items() if subtype in _subtypes_of(container)]
    way = str(rng.choice(["telephone", "band", "mu_law", *codecs]))
    if way == "telephone":
        return telephone(samples)
    if way == "band":
        return limit_band(samples, rng.uniform(*_LOW_EDGES_HZ), rng.uniform(*_HIGH_EDGES_HZ))
    if way == "mu_law":
        return mu_law(samples)
    return through_codec(samples, next(name for name in codecs if name == way), rng.uniform(*_QUALITIES))


@functools.cache
def _subtypes_of(container: str) -> frozenset[str]:
    return frozenset(soundfile.available_subtypes(container))


def shift_formants(samples: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Move the resonances of the throat by about `factor`, pitch and tempo stay: a longer (< 1) or shorter throat.

    In every frame of 32 ms the spectral envelope (the cepstrum below 2 ms) is stretched and the fine structure kept.

    Args:
        samples: float32[N].
        factor: 0.7 to 1.4.

    Raises:
        ConfigError: a factor out of range.
    """
    if not 0.7 <= factor <= 1.4:
        raise ConfigError(f"formant factor {factor}: 0.7 to 1.4")
    size, hop = 512, 128
    window = np.hanning(size + 1)[:-1]
    padded = np.pad(samples.astype(np.float64), (size, size + hop))
    starts = np.arange(0, len(padded) - size, hop)
    frames = padded[starts[:, None] + np.arange(size)] * window
    spectrum = np.fft.rfft(frames, axis=1)
    levels = np.log(np.abs(spectrum) + 1e-8)
    cepstrum = np.fft.irfft(levels, axis=1)
    cepstrum[:, 32 : size - 31] = 0.0
    envelope = np.fft.rfft(cepstrum, axis=1).real
    bins = np.arange(envelope.shape[1])
    moved = np.stack([np.interp(bins / factor, bins, frame) for frame in envelope])
    shaped = np.fft.irfft(spectrum * np.exp(moved - envelope), axis=1) * window
    total, weight = np.zeros(len(padded)), np.full(len(padded), 1e-9)
    for start, frame in zip(starts, shaped, strict=True):
        total[start : start + size] += frame
        weight[start : start + size] += window**2
    moved_samples: NDArray[np.float32] = (total / weight)[size : size + len(samples)].astype(np.float32)
    return moved_samples
