"""Audio files that come piece by piece, as from a recorder that is still writing them: what reads them, by encoding."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Iterator
from typing import Protocol

from speechtune.audio.pcm import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ, PcmFormat
from speechtune.errors import InvalidRequestError
from speechtune_client.v1 import command_recognition_pb2 as pb

FIELD = "audio.content"
"""Where the bytes of a file stand in a stream's messages."""


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


def stream_file_encodings() -> tuple[pb.AudioEncoding, ...]:
    """The files that are taken in streams here: what decodes FLAC and Opus piece by piece may not be installed."""
    decoded = (pb.FLAC, pb.OGG_OPUS) if importlib.util.find_spec("av") else ()
    return (pb.WAV, *decoded)


async def open_file_stream(encoding: pb.AudioEncoding) -> FileStream:
    """A reader for one file of an encoding among `stream_file_encodings`."""
    if encoding == pb.WAV:
        from speechtune_server.wav_stream import WavStream

        return WavStream()
    # The first stream that needs the decoders loads them (a tenth of a second), while the others go on.
    await asyncio.to_thread(importlib.import_module, "av")
    if encoding == pb.FLAC:
        from speechtune_server.flac_stream import FlacStream

        return FlacStream()
    from speechtune_server.opus_stream import OpusStream

    return OpusStream()


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
