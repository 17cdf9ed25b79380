"""Audio files in memory, as other programs write them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune_server.decoding.forms import FileStream

FORMS = {"WAV": ("WAV", "PCM_16"), "FLAC": ("FLAC", "PCM_16"), "OGG_OPUS": ("OGG", "OPUS")}


def in_form(encoding: str, samples: NDArray[np.float32], rate_hz: int = 16_000, subtype: str | None = None) -> bytes:
    """A file of float32[N] or float32[N, channels], by libsndfile."""
    form, usual = FORMS[encoding]
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, format=form, subtype=subtype or usual)
    return content.getvalue()


def by_libsndfile(content: bytes) -> NDArray[np.float32]:
    """float32[N, channels] of a whole file: the second opinion."""
    samples: NDArray[np.float32] = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0]
    return samples


def pieces_of(stream: FileStream, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """All that a file stream makes of these chunks, to its end."""
    for chunk in chunks:
        yield from stream.receive(chunk)
    yield from stream.end()


def samples_of(stream: FileStream, chunks: Iterable[bytes]) -> NDArray[np.float32]:
    """float32[N, channels] that a file stream makes of these chunks."""
    content = b"".join(pieces_of(stream, chunks))
    assert stream.form is not None
    values = np.frombuffer(content, stream.form.encoding.dtype).reshape(-1, stream.form.channels)
    return values.astype(np.float32) / np.float32(32_768 if values.dtype.kind == "i" else 1)


def flac_frames(content: bytes) -> tuple[bytes, list[bytes]]:
    """The header of a FLAC file, and its frames, as FFmpeg finds them."""
    with av.open(io.BytesIO(content)) as container:
        frames = [bytes(packet) for packet in container.demux() if packet.size]
    header = content[: len(content) - sum(map(len, frames))]
    assert header + b"".join(frames) == content
    return header, frames
