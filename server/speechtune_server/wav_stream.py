"""A WAV file that comes piece by piece: its header, then its samples."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.file_stream import FIELD, check_form

_MAX_HEADER_BYTES = 64 * 1024
_ENCODINGS = {
    (1, 16): PcmEncoding.LINEAR16,
    (3, 32): PcmEncoding.FLOAT32,
    (6, 8): PcmEncoding.ALAW,
    (7, 8): PcmEncoding.MULAW,
}
_EXTENSIBLE = 0xFFFE
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""What programs write that do not know yet how long the recording will be; some subtract a header from the last."""


class WavStream:
    """Reads one WAV file; what follows its samples is left out.

    Attributes:
        form: of the samples; None until the header is complete.
    """

    def __init__(self) -> None:
        self.form: PcmFormat | None = None
        self._header = b""
        self._left: int | None = None

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
        yield content

    def end(self) -> Iterator[bytes]:
        """As `FileStream.end`. A recorder that was switched off leaves fewer samples than its header says: they do."""
        if self.form is None:
            raise UnreadableAudioError("the WAV file is cut off inside its header; send it to its end")
        yield from ()

    def _read_header(self) -> bytes:
        """Look for the samples; gives those that came already."""
        header, place = self._header, 12
        if not (b"RIFF".startswith(header[:4]) and b"WAVE".startswith(header[8:12])):
            raise InvalidRequestError(FIELD, "is not a WAV file; set audio.encoding to what it is")
        found: PcmFormat | None = None
        while len(header) >= place + 8:
            name, size = header[place : place + 4], struct.unpack_from("<I", header, place + 4)[0]
            place += 8
            if name == b"data":
                if found is None:
                    raise InvalidRequestError(FIELD, "the WAV file has samples before their format")
                self.form, self._header = found, b""
                is_known = size not in _UNKNOWN_SIZES and size < 0xFFFF_0000
                self._left = size if is_known else None
                return header[place:]
            if len(header) < place + size + size % 2:
                return b""
            if name == b"fmt ":
                found = self._format(header[place : place + size])
            place += size + size % 2
        return b""

    def _format(self, content: bytes) -> PcmFormat:
        if len(content) < 16:
            raise InvalidRequestError(FIELD, "the format of the WAV file is cut off")
        tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", content)
        if tag == _EXTENSIBLE and len(content) >= 26:
            tag = struct.unpack_from("<H", content, 24)[0]
        encoding = _ENCODINGS.get((tag, bits))
        if encoding is None:
            taken = "16-bit PCM, 32-bit float, A-law and µ-law"
            raise InvalidRequestError(FIELD, f"a WAV file with {bits} bits of format {tag} is not taken; {taken} are")
        check_form("a WAV file", rate_hz, channels)
        return PcmFormat(encoding, rate_hz, channels)
