"""What a page plays and shows of a clip: its sound and its spectrogram, both as data URIs, so that it needs no network.

The macros of `player.html.j2` show them; `page_environment` lets the templates of other packages import those.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms
from speechtune.data.inspection.spectrograms import log_mel_image

if TYPE_CHECKING:
    from jinja2 import Environment

Palette = NDArray[np.uint8]
"""uint8[256, 3]: the colour of every level of a spectrogram, the quietest first."""


class ClipMedia(BaseModel):
    """A clip for the eye and the ear."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audio: str
    """FLAC as a data URI."""
    image: str
    """The spectrogram, low tones below, as PNG in a data URI."""
    width: int
    """Of the image, in pixels."""
    height: int
    """Of the image, in pixels."""


def clip_media(
    samples: NDArray[np.float32], palette: Palette, *, max_ms: int, max_columns: int | None = None
) -> ClipMedia:
    """Sound and spectrogram of the beginning of a clip.

    Args:
        samples: float32[N] at 16 kHz, N ≥ 1.
        palette: of the spectrogram.
        max_ms: what is longer is cut.
        max_columns: widest spectrogram; of longer clips columns are left out. Defaults to one column for 10 ms.
    """
    samples = samples[: samples_from_ms(max_ms)]
    image = log_mel_image(samples)[::-1]
    step = 1 if max_columns is None else -(-image.shape[1] // max_columns)
    levels = np.ascontiguousarray(np.round(image[:, ::step] * 255.0).astype(np.uint8))
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1.0, 1.0), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return ClipMedia(
        audio=f"data:audio/flac;base64,{_base64(file.getvalue())}",
        image=f"data:image/png;base64,{_base64(encode_png(levels, palette))}",
        width=levels.shape[1],
        height=levels.shape[0],
    )


def encode_png(levels: NDArray[np.uint8], palette: Palette) -> bytes:
    """uint8[H, W], each the place of a colour in uint8[256, 3], as a PNG file (ISO/IEC 15948)."""
    height, width = levels.shape
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), levels], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def page_environment(package: str) -> Environment:
    """Where the templates of a package are found, and the macros of the player; whatever they show is escaped."""
    import jinja2

    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader(package, ""),
                jinja2.PrefixLoader({"player": jinja2.PackageLoader("speechtune.data.inspection", "")}),
            ]
        ),
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
