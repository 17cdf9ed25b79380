"""Files of phones and browsers, which libsndfile does not read: named, and decoded where PyAV is installed."""

from __future__ import annotations

import importlib.util
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import soundfile

from speechtune.errors import UnreadableAudioError, UnsupportedAudioError

CONTAINER_SUFFIXES = frozenset(
    {".m4a", ".mp4", ".m4b", ".mov", ".3gp", ".webm", ".mka", ".mkv", ".amr", ".wma", ".asf", ".aac", ".adts"}
)
"""File name endings of such files."""

NUM_BYTES_THAT_TELL = 16
_MARKS = (
    (4, b"ftyp", "an MP4 or M4A file"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska file"),
    (0, b"#!AMR", "an AMR file"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a WMA or ASF file"),
    (0, b"\xff\xf1", "an AAC file"),
    (0, b"\xff\xf9", "an AAC file"),
    (8, b"AVI ", "an AVI file"),
    (0, b"FLV\x01", "a Flash video"),
)


def container_kind(head: bytes) -> str | None:
    r"""What a file is by its first `NUM_BYTES_THAT_TELL` bytes, such as `an AMR file`; None: none of these.

    >>> container_kind(b"#!AMR-WB\n"), container_kind(b"RIFF")
    ('an AMR file', None)
    """
    return next((kind for place, mark, kind in _MARKS if head[place : place + len(mark)] == mark), None)


def has_decoder() -> bool:
    """Whether such files are decoded here."""
    return importlib.util.find_spec("av") is not None


def conversion(name: str) -> str:
    """The line that converts a file.

    >>> conversion("my voice.m4a")
    "ffmpeg -i 'my voice.m4a' 'my voice.wav'"
    """
    stem, dot, suffix = name.rpartition(".")
    plain = stem if dot and "/" not in suffix else name
    return f"ffmpeg -i {shlex.quote(name)} {shlex.quote(f'{plain}.wav')}"


@contextmanager
def decoded_container(file: BinaryIO, kind: str, name: str) -> Iterator[BinaryIO]:
    """The sound of such a file as one that libsndfile reads, in a place that is gone afterwards.

    Raises:
        UnsupportedAudioError: PyAV is not installed; the message says how to convert the file.
        UnreadableAudioError: it is damaged, or holds no sound.
    """
    if not has_decoder():
        raise UnsupportedAudioError(
            f"{name}: is {kind}; convert it: {conversion(name)} (or let it be decoded: pip install 'speechtune[media]')"
        )
    import av

    with tempfile.TemporaryFile() as target:
        try:
            with av.open(file) as container:
                if not container.streams.audio:
                    raise UnreadableAudioError(f"{name}: is {kind} that holds no sound; record it again")
                _write(container, target)
        except av.FFmpegError as error:
            raise UnreadableAudioError(
                f"{name}: is {kind}, and damaged ({error.strerror or error}); convert or record it again"
            ) from error
        target.seek(0)
        yield cast(BinaryIO, target)


def _write(container: Any, target: Any) -> None:  # PyAV's own types change from version to version
    import av

    stream = container.streams.audio[0]
    resampler = av.AudioResampler(format="flt")
    sound: soundfile.SoundFile | None = None
    try:
        for frame in container.decode(stream):
            for part in resampler.resample(frame):
                values = part.to_ndarray().reshape(-1, part.layout.nb_channels)
                if sound is None:
                    sound = soundfile.SoundFile(
                        target, "w", part.sample_rate, values.shape[1], subtype="FLOAT", format="RF64"
                    )
                sound.write(values)
    finally:
        if sound is not None:
            sound.close()
    if sound is None:
        raise UnreadableAudioError("it holds no samples")
