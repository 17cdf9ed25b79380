"""Raw PCM bytes to float32 samples, however the bytes are cut."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import UnreadableAudioError, UnsupportedAudioError

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 48_000
MAX_CHANNELS = 8


class PcmEncoding(Enum):
    """How one amplitude value is written; all little-endian, channels interleaved."""

    LINEAR16 = "linear16"
    """int16, full scale ±32768."""
    FLOAT32 = "float32"
    """IEEE float32, full scale ±1.0."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Numpy type of one value."""
        return np.dtype("<i2") if self is PcmEncoding.LINEAR16 else np.dtype("<f4")


@dataclass(frozen=True)
class PcmFormat:
    """Form of a raw PCM stream.

    Raises:
        UnsupportedAudioError: a rate outside 8 to 48 kHz, or a number of channels outside 1 to 8.
    """

    encoding: PcmEncoding
    rate_hz: int
    channels: int = 1

    def __post_init__(self) -> None:
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            raise UnsupportedAudioError(
                f"sample rate {self.rate_hz} Hz: raw audio is taken at {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise UnsupportedAudioError(f"{self.channels} channels: 1 to {MAX_CHANNELS} are taken")

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one amplitude value in every channel."""
        return self.encoding.dtype.itemsize * self.channels


class PcmDecoder:
    """Turns chunks of bytes into mono samples; a chunk may end inside a value, the rest waits for the next one."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._format = pcm_format
        self._rest = b""

    def decode(self, content: bytes) -> NDArray[np.float32]:
        """Samples that are complete with `content`: float32[N], channels averaged, nominal range -1 to 1.

        Raises:
            UnreadableAudioError: a FLOAT32 value is NaN or infinite.
        """
        data = self._rest + content
        num_bytes = len(data) - len(data) % self._format.bytes_per_frame
        self._rest = data[num_bytes:]
        values = np.frombuffer(data[:num_bytes], dtype=self._format.encoding.dtype)
        samples = values.astype(np.float32)
        if self._format.encoding is PcmEncoding.LINEAR16:
            samples /= 32768.0
        elif not np.isfinite(samples).all():
            raise UnreadableAudioError("FLOAT32 audio holds NaN or infinite values; send amplitudes in -1 to 1")
        frames = samples.reshape(-1, self._format.channels)
        mono: NDArray[np.float32] = frames.mean(axis=1, dtype=np.float32)
        return mono

    @property
    def num_pending_bytes(self) -> int:
        """Bytes of an incomplete value that wait for their rest."""
        return len(self._rest)
