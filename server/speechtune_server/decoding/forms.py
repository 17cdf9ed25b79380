"""Which audio files are taken, by encoding: one table for whole clips and for files that come piece by piece.

A clip's header is read by the reader that a stream would have, so that both take the same files, with one exception:
the coded WAV files that only libsndfile reads, and only whole.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from speechtune.audio.containers import NUM_BYTES_THAT_TELL, container_kind, conversion
from speechtune.audio.pcm import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ, PcmFormat
from speechtune.errors import InvalidRequestError, UnreadableAudioError

FIELD = "audio.content"
"""Where the bytes of a file stand in a stream's messages."""

NUM_HEAD_BYTES = NUM_BYTES_THAT_TELL
"""So many bytes tell what a file is that is not of the encoding it was said to be."""
_HEADER_STEP_BYTES = 4_096


class ClipOnlyError(InvalidRequestError):
    """A file that is read whole, and not as it comes."""


class FileStream(Protocol):
    """Turns the bytes of one file, cut anywhere, into those of its samples; decides nothing by how they were cut.

    Attributes:
        form: of the samples; None until the header has told it.
        notes: once the file has ended: what is not true of it, one sentence each.
    """

    form: PcmFormat | None
    notes: tuple[str, ...]

    def receive(self, content: bytes) -> Iterator[bytes]:
        """The samples' bytes that are complete with `content`, in small pieces, each made when it is asked for.

        Where much is read that holds no samples, empty pieces come between.

        Raises:
            InvalidRequestError: its header is not that of such a file, or of one that is not taken.
            UnreadableAudioError: what follows the header is damaged.
        """

    def end(self) -> Iterator[bytes]:
        """No more content comes: what is still to come of the samples.

        Raises:
            UnreadableAudioError: the file is cut off.
        """


class FileEncoding(StrEnum):
    """The kinds of audio files."""

    WAV = "WAV"
    FLAC = "FLAC"
    OGG_OPUS = "OGG_OPUS"


@dataclass(frozen=True)
class Reader:
    """What reads a kind of file.

    Attributes:
        kind: what its files are called in messages.
        module, name: where its `FileStream` is.
        begins: its first bytes, at most `NUM_HEAD_BYTES`.
        needs: a package that may not be installed; None: nothing but what the server needs anyway.
    """

    kind: str
    module: str
    name: str
    begins: re.Pattern[bytes]
    needs: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether what it needs is installed."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None


READERS = {
    FileEncoding.WAV: Reader(
        "a WAV file", "speechtune_server.decoding.wav", "WavStream", re.compile(rb"(RIFF|RIFX|RF64).{4}WAVE", re.DOTALL)
    ),
    FileEncoding.FLAC: Reader(
        "a FLAC file", "speechtune_server.decoding.flac", "FlacStream", re.compile(rb"fLaC"), needs="av"
    ),
    FileEncoding.OGG_OPUS: Reader(
        "an Ogg Opus file", "speechtune_server.decoding.opus", "OpusStream", re.compile(rb"OggS"), needs="av"
    ),
}


def encoding_of(head: bytes) -> FileEncoding:
    """The kind of a file that begins with `head`, of which `NUM_HEAD_BYTES` bytes are enough.

    Raises:
        InvalidRequestError: it is none of them; the message says what it is, where that is known.
    """
    for encoding, reader in READERS.items():
        if reader.begins.match(head):
            return encoding
    kinds = ", ".join(reader.kind for reader in READERS.values())
    hint = _what_it_is(head) or "; for raw audio say its encoding and its sample rate"
    raise InvalidRequestError("audio.encoding", f"is not set, and the audio is none of {kinds}{hint}")


def stream_file_encodings() -> tuple[FileEncoding, ...]:
    """The files that are taken in streams here."""
    return tuple(encoding for encoding, reader in READERS.items() if reader.is_there)


async def open_file_stream(encoding: FileEncoding) -> FileStream:
    """A reader for one file of an encoding among `stream_file_encodings`."""
    reader = READERS[encoding]
    if reader.needs is not None:
        # The first stream that needs the decoders loads them (a tenth of a second), while the others go on.
        await asyncio.to_thread(importlib.import_module, reader.needs)
    stream: FileStream = getattr(importlib.import_module(reader.module), reader.name)()
    return stream


def check_clip(encoding: FileEncoding, content: bytes) -> None:
    """Let a whole file through if a stream of this encoding would take it, by its header; what follows is not read.

    Where the package that a stream's reader needs is not installed, nothing is checked.

    Raises:
        InvalidRequestError: a stream would not take it.
    """
    reader = READERS[encoding]
    if not reader.is_there:
        return
    file: FileStream = getattr(importlib.import_module(reader.module), reader.name)()
    try:
        for start in range(0, len(content), _HEADER_STEP_BYTES):
            for _ in file.receive(content[start : start + _HEADER_STEP_BYTES]):
                if file.form is not None:
                    return
            if file.form is not None:
                return
    except ClipOnlyError:
        return
    except UnreadableAudioError as error:
        raise InvalidRequestError(FIELD, str(error)) from error
    raise incomplete_header(encoding)


def incomplete_header(encoding: FileEncoding) -> InvalidRequestError:
    """What a file that ends too early is refused with."""
    return InvalidRequestError(FIELD, f"is not {READERS[encoding].kind}, or ends before its header is complete")


def another_form(encoding: FileEncoding, head: bytes) -> InvalidRequestError:
    """What a file is refused with that begins with `head`, `NUM_HEAD_BYTES` bytes, and is not of this encoding."""
    hint = _what_it_is(head) or "; set audio.encoding to what it is"
    return InvalidRequestError(FIELD, f"is not {READERS[encoding].kind}{hint}")


def _what_it_is(head: bytes) -> str:
    container = container_kind(head)
    return f" but {container}; convert it: {conversion('FILE.m4a')}" if container else ""


def check_form(kind: str, rate_hz: int, channels: int) -> None:
    """Let a file of `kind` through if raw audio of its rate and channels is taken.

    Raises:
        InvalidRequestError: it is not.
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ or not 1 <= channels <= MAX_CHANNELS:
        raise InvalidRequestError(
            FIELD,
            f"{kind} of {rate_hz} Hz and {channels} channels is not taken; "
            f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz and 1 to {MAX_CHANNELS} are",
        )
