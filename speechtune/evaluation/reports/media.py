"""What a report plays and shows of a clip: its audio as a data URI, its spectrogram as bytes for a canvas."""

from __future__ import annotations

import base64
import io

import numpy as np
import soundfile
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.inspection.spectrograms import log_mel_image

MAX_SECONDS = 4.0
"""Longest stretch of a clip that a report holds."""

_MAX_COLUMNS = 160


class ClipMedia(BaseModel):
    """A clip for the eye and the ear."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audio: str
    """FLAC as a data URI."""
    width: int
    height: int
    pixels: str
    """Base64 of uint8[height, width], the top row first."""


def clip_media(samples: NDArray[np.float32]) -> ClipMedia:
    """Audio and spectrogram of the first `MAX_SECONDS` of float32[N] at 16 kHz, N ≥ 1."""
    samples = samples[: round(MAX_SECONDS * SAMPLE_RATE_HZ)]
    image = log_mel_image(samples)[::-1]
    step = -(-image.shape[1] // _MAX_COLUMNS)
    pixels = np.ascontiguousarray(np.round(image[:, ::step] * 255.0).astype(np.uint8))
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1.0, 1.0), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return ClipMedia(
        audio=f"data:audio/flac;base64,{_text(file.getvalue())}",
        width=pixels.shape[1],
        height=pixels.shape[0],
        pixels=_text(pixels.tobytes()),
    )


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
