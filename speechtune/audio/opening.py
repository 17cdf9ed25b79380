"""The one door to audio files: whoever reads one, whole or in part, opens it here, and is told what is not true."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import soundfile

from speechtune.audio.containers import NUM_BYTES_THAT_TELL as NUM_BYTES_OF_CONTAINERS
from speechtune.audio.containers import container_kind, decoded_container
from speechtune.audio.flac_length import with_flac_length
from speechtune.audio.overlaid import overlaid
from speechtune.audio.wav_header import NUM_BYTES_THAT_TELL, WavHeader, WavHeaderReader
from speechtune.errors import UnreadableAudioError
from speechtune.ordinary_files import open_ordinary

_BLOCK_BYTES = 64 * 1024
_MAX_RIFF_BYTES = 0xFFFF_0000
_LONG_SIZES_AT = 20


@dataclass(frozen=True)
class OpenedSound:
    """An audio file that is open.

    Attributes:
        sound: the reader; its `frames` are those that are there, whatever the header claims.
        notes: what is not true of the file, one sentence each.
    """

    sound: soundfile.SoundFile
    notes: tuple[str, ...]


@contextmanager
def opened_sound(
    source: Path | BinaryIO, name: str | None = None, max_seconds: float | None = None
) -> Iterator[OpenedSound]:
    """Open an audio file, by its path or its bytes; `name` stands for it in errors.

    Where its length must be counted, that goes no further than a little beyond `max_seconds`.

    Raises:
        UnreadableAudioError: missing, no ordinary file, not audio, or damaged where it is being read.
        UnsupportedAudioError: a file of a phone or a browser, and PyAV is not installed.
    """
    name = str(source) if name is None else name
    try:
        with _file(source) as file, _opened(file, name, max_seconds) as opened:
            yield opened
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(
            f"{name}: not readable as audio ({error.error_string}); record or convert it again"
        ) from error
    except UnreadableAudioError as error:
        if str(error).startswith(name):
            raise
        raise UnreadableAudioError(f"{name}: {error}; record or convert it again") from error
    except OSError as error:
        raise UnreadableAudioError(f"{name}: cannot be opened ({error.strerror or error})") from error


@contextmanager
def _file(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(source, Path):
        yield source
        return
    with open_ordinary(source) as file:
        yield file


@contextmanager
def _opened(file: BinaryIO, name: str, max_seconds: float | None) -> Iterator[OpenedSound]:
    mark = file.read(NUM_BYTES_OF_CONTAINERS)
    file.seek(0)
    if (kind := container_kind(mark)) is not None:
        with decoded_container(file, kind, name) as decoded, soundfile.SoundFile(decoded) as sound:
            yield OpenedSound(sound, ())
        return
    notes: tuple[str, ...] = ()
    if mark[:4] in (b"RIFF", b"RF64", b"RIFX") and mark[8:12] == b"WAVE":
        file, notes = _with_true_wav_length(file)
    elif mark[:4] == b"fLaC":
        file = with_flac_length(file, max_seconds)
    with soundfile.SoundFile(file) as sound:
        yield OpenedSound(sound, notes)


def _with_true_wav_length(file: BinaryIO) -> tuple[BinaryIO, tuple[str, ...]]:
    """The same file with a header that is true, and what the header said in place of it."""
    header = _wav_header(file)
    num_available = file.seek(0, io.SEEK_END) - header.start
    after = b""
    if header.claimed is not None and header.claimed < num_available:
        file.seek(header.start + header.claimed)
        after = file.read(NUM_BYTES_THAT_TELL)
    num_there = header.num_bytes_there(num_available, after)
    file.seek(0)
    if num_there == header.claimed:
        return file, ()
    note = header.note(num_there)
    end = header.start + num_there
    notes = () if note is None else (note,)
    if end >= _MAX_RIFF_BYTES:  # libsndfile finds the end of so long a file itself
        return file, notes
    order = header.byte_order
    size = struct.pack(f"{order}I", num_there)
    overlays = {4: struct.pack(f"{order}I", end - 8), header.size_at: size}
    if file.read(4) == b"RF64":
        overlays[_LONG_SIZES_AT] = struct.pack("<QQ", end - 8, num_there)
    file.seek(0)
    return overlaid(file, overlays, end), notes


def _wav_header(file: BinaryIO) -> WavHeader:
    reader = WavHeaderReader()
    while reader.header is None:
        if not (content := file.read(_BLOCK_BYTES)):
            raise UnreadableAudioError("the WAV file is cut off inside its header")
        reader.receive(content)
    return reader.header
