"""Raw PCM bytes to float32 samples, however the bytes are cut."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.mixing import ChannelMixer
from speechtune.audio.true_rate import NeighbourWatch
from speechtune.errors import UnreadableAudioError, UnsupportedAudioError

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 96_000
MAX_CHANNELS = 8
MAX_AMPLITUDE = 16.0
"""Of floating-point audio, whose full scale is 1: what is louder was written to another scale, or is no audio."""


class PcmEncoding(Enum):
    """How one amplitude value is written; all little-endian, channels interleaved."""

    LINEAR16 = "linear16"
    """int16, full scale ±32768."""
    FLOAT32 = "float32"
    """IEEE float32, full scale ±1.0."""
    MULAW = "mulaw"
    """G.711 µ-law, one byte."""
    ALAW = "alaw"
    """G.711 A-law, one byte."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Numpy type of one value as it is written."""
        if self is PcmEncoding.LINEAR16:
            return np.dtype("<i2")
        return np.dtype("<f4") if self is PcmEncoding.FLOAT32 else np.dtype(np.uint8)


def _mulaw_table() -> NDArray[np.float32]:
    """float32[256]: the amplitude of every µ-law byte (G.711: sign, exponent, mantissa, all bits inverted)."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return (np.where(code & 0x80, -magnitude, magnitude) / 32768.0).astype(np.float32)


def _alaw_table() -> NDArray[np.float32]:
    """float32[256]: the amplitude of every A-law byte (G.711: even bits inverted, a set sign bit is positive)."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code & 0x70) >> 4
    mantissa = ((code & 0x0F) << 4) + 8
    magnitude = np.where(exponent == 0, mantissa, (mantissa + 0x100) << np.maximum(exponent - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) / 32768.0).astype(np.float32)


_LINEAR16_STEP = np.float32(1.0 / 32768.0)
_COMPANDED = {PcmEncoding.MULAW: _mulaw_table(), PcmEncoding.ALAW: _alaw_table()}


@dataclass(frozen=True)
class PcmFormat:
    """Form of a raw PCM stream.

    Raises:
        UnsupportedAudioError: a rate outside 8 to 96 kHz, a number of channels outside 1 to 8, or a channel beyond it.

    Attributes:
        channel: the one that is listened to, counted from 1; None: the mean of all, or the loudest where
            they cancel each other.
    """

    encoding: PcmEncoding
    rate_hz: int
    channels: int = 1
    channel: int | None = None

    def __post_init__(self) -> None:
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            raise UnsupportedAudioError(
                f"sample rate {self.rate_hz} Hz: raw audio is taken at {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UnsupportedAudioError(f"{self.channels} channels: 1 to {MAX_CHANNELS} are taken")
        if self.channel is not None and not 1 <= self.channel <= self.channels:
            raise UnsupportedAudioError(f"channel {self.channel}: the audio has channels 1 to {self.channels}")

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one amplitude value in every channel."""
        return self.encoding.dtype.itemsize * self.channels


def amplitude_fault(samples: NDArray[np.float32]) -> str | None:
    """What is wrong with values that should be amplitudes, float32[...], and what to do; None: nothing.

    >>> amplitude_fault(np.array([0.5, -1200.0], dtype=np.float32))
    'an amplitude of 1200; full scale is 1, divide 16-bit values by 32768'
    """
    if not len(samples):
        return None
    largest = float(np.abs(samples).max())
    if not np.isfinite(largest):
        return "NaN or infinite values; send amplitudes in -1 to 1"
    if largest > MAX_AMPLITUDE:
        return f"an amplitude of {largest:g}; full scale is 1, divide 16-bit values by 32768"
    return None


class PcmDecoder:
    """Turns chunks of bytes into mono samples; a chunk may end inside a value, the rest waits for the next one."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._format = pcm_format
        self._values = pcm_format.encoding.dtype
        self._rest = b""
        self._mixer = ChannelMixer(pcm_format.channels, pcm_format.rate_hz)
        self._neighbours = NeighbourWatch()

    def decode(self, content: bytes) -> NDArray[np.float32]:
        """Samples that are complete with `content`: float32[N], nominal range -1 to 1.

        Of several channels it is the one that the format names, or their mean unless they cancel each other.

        Raises:
            UnreadableAudioError: a FLOAT32 value is NaN or infinite, or beyond `MAX_AMPLITUDE`.
        """
        data = self._rest + content
        num_bytes = len(data) - len(data) % self._format.bytes_per_frame
        self._rest = data[num_bytes:]
        values = np.frombuffer(data, dtype=self._values, count=num_bytes // self._values.itemsize)
        samples = self._amplitudes(values)
        if self._format.channels == 1:
            self._neighbours.hear(samples)
            return samples
        frames = samples.reshape(-1, self._format.channels)
        if self._format.channel is not None:
            return np.ascontiguousarray(frames[:, self._format.channel - 1])
        return self._mixer.mix(frames)

    def pass_on(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Check samples that need no decoding, float32[N] of one channel at the format's rate, and give them back.

        Raises:
            UnreadableAudioError: a sample is NaN or infinite, or beyond `MAX_AMPLITUDE`.
        """
        if (fault := amplitude_fault(samples)) is not None:
            raise UnreadableAudioError(f"FLOAT32 audio holds {fault}")
        self._neighbours.hear(samples)
        return samples

    def _amplitudes(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        encoding = self._format.encoding
        if encoding in _COMPANDED:
            companded: NDArray[np.float32] = _COMPANDED[encoding][values]
            return companded
        samples = values.astype(np.float32)
        if encoding is PcmEncoding.LINEAR16:
            samples *= _LINEAR16_STEP
        elif (fault := amplitude_fault(samples)) is not None:
            raise UnreadableAudioError(f"FLOAT32 audio holds {fault}")
        return samples

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as the format says, one sentence each: channels that cancel each other, or two sent as one."""
        return self._neighbours.notes if self._mixer.note is None else (self._mixer.note,)

    @property
    def channel(self) -> int | None:
        """The channel that is taken now, counted from 1; None: the mean of all."""
        return self._format.channel or self._mixer.channel

    @property
    def num_pending_bytes(self) -> int:
        """Bytes of an incomplete value that wait for their rest."""
        return len(self._rest)
