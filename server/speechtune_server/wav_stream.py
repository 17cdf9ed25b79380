"""A WAV file that comes piece by piece: its header, then its samples."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.file_stream import FIELD, check_form

_MARKS = (b"RIFF", b"RF64")
_MAX_HEADER_BYTES = 64 * 1024
_PIECE_BYTES = 64 * 1024
_ENCODINGS = {
    (1, 16): PcmEncoding.LINEAR16,
    (3, 32): PcmEncoding.FLOAT32,
    (6, 8): PcmEncoding.ALAW,
    (7, 8): PcmEncoding.MULAW,
}
"""Handed on as they come, by format tag and bits."""
_WIDTHS = {(1, 8): 1, (1, 24): 3, (1, 32): 4, (3, 64): 8}
"""Turned into FLOAT32: bytes of a value."""
_EXTENSIBLE = 0xFFFE
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""What programs write that do not know yet how long the recording will be; some subtract a header from the last."""


class WavStream:
    """Reads one WAV file, RF64 too; what follows its samples is left out.

    Attributes:
        form: of the samples; None until the header is complete.
    """

    def __init__(self) -> None:
        self.form: PcmFormat | None = None
        self._header = bytearray()
        self._place = 12
        self._found: PcmFormat | None = None
        self._left: int | None = None
        self._left_in_header64: int | None = None
        self._kind = (0, 0)
        self._rest = b""

    def receive(self, content: bytes) -> Iterator[bytes]:
        """As `FileStream.receive`."""
        if self.form is None:
            self._header += content
            content = self._read_header()
            if self.form is None and len(self._header) > _MAX_HEADER_BYTES:
                raise InvalidRequestError(FIELD, f"no samples within {_MAX_HEADER_BYTES} bytes of a WAV header")
        if self._left is not None:
            content = content[: self._left]
            self._left -= len(content)
        if self._kind not in _WIDTHS:
            yield content
            return
        for start in range(0, len(content), _PIECE_BYTES):
            yield self._widened(content[start : start + _PIECE_BYTES])

    def end(self) -> Iterator[bytes]:
        """As `FileStream.end`. A recorder that was switched off leaves fewer samples than its header says: they do."""
        if self.form is None:
            raise UnreadableAudioError("the WAV file is cut off inside its header; send it to its end")
        if self._rest:
            raise UnreadableAudioError("the WAV file ends inside a value; send it to its end")
        yield from ()

    def _widened(self, content: bytes) -> bytes:
        """The values that are complete with `content`, as FLOAT32."""
        content = self._rest + content
        width = _WIDTHS[self._kind]
        whole = len(content) - len(content) % width
        content, self._rest = content[:whole], content[whole:]
        if width == 8:
            with np.errstate(over="ignore"):  # infinite then, and refused as such
                return np.frombuffer(content, "<f8").astype("<f4").tobytes()
        if width == 1:
            return ((np.frombuffer(content, np.uint8) - np.float32(128)) * np.float32(2.0**-7)).tobytes()
        high = np.zeros((len(content) // width, 4), np.uint8)
        high[:, 4 - width :] = np.frombuffer(content, np.uint8).reshape(-1, width)
        return (high.view("<i4").ravel() * np.float32(2.0**-31)).astype("<f4").tobytes()

    def _read_header(self) -> bytes:
        """Look for the samples; gives those that came already."""
        header = self._header
        if not (any(mark.startswith(bytes(header[:4])) for mark in _MARKS) and b"WAVE".startswith(bytes(header[8:12]))):
            raise InvalidRequestError(FIELD, "is not a WAV file; set audio.encoding to what it is")
        while len(header) >= (place := self._place + 8):
            name, size = bytes(header[place - 8 : place - 4]), struct.unpack_from("<I", header, place - 4)[0]
            if name == b"data":
                if self._found is None:
                    raise InvalidRequestError(FIELD, "the WAV file has samples before their format")
                self.form, self._header = self._found, bytearray()
                is_known = size not in _UNKNOWN_SIZES and size < 0xFFFF_0000
                self._left = size if is_known else self._left_in_header64
                return bytes(header[place:])
            if len(header) < place + size + size % 2:
                return b""
            if name == b"fmt ":
                self._found = self._format(bytes(header[place : place + size]))
            elif name == b"ds64" and size >= 16:  # RF64: its size of the samples is 8 bytes long
                self._left_in_header64 = struct.unpack_from("<Q", header, place + 8)[0] or None
            self._place = place + size + size % 2
        return b""

    def _format(self, content: bytes) -> PcmFormat:
        if len(content) < 16:
            raise InvalidRequestError(FIELD, "the format of the WAV file is cut off")
        tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", content)
        if tag == _EXTENSIBLE and len(content) >= 26:
            tag = struct.unpack_from("<H", content, 24)[0]
        self._kind = (tag, bits)
        encoding = PcmEncoding.FLOAT32 if self._kind in _WIDTHS else _ENCODINGS.get(self._kind)
        if encoding is None:
            taken = "PCM of 8, 16, 24 or 32 bits, float of 32 or 64, A-law and µ-law"
            raise InvalidRequestError(FIELD, f"a WAV file with {bits} bits of format {tag} is not taken; {taken} are")
        check_form("a WAV file", rate_hz, channels)
        return PcmFormat(encoding, rate_hz, channels)
