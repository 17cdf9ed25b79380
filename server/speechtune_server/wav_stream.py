"""A WAV file that comes piece by piece, as from a recorder that is still writing it: its header, then its samples.

FLAC and Ogg are not taken in streams: what decodes them here (libsndfile) needs the whole file.
"""

from __future__ import annotations

import struct

from speechtune.audio.pcm import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ, PcmEncoding, PcmFormat
from speechtune.errors import InvalidRequestError

_MAX_HEADER_BYTES = 64 * 1024
_FIELD = "audio.content"
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
    """Turns the bytes of a WAV file, cut anywhere, into those of its samples.

    Attributes:
        form: of the samples; None until the header is complete.
    """

    def __init__(self) -> None:
        self.form: PcmFormat | None = None
        self._header = b""
        self._left: int | None = None

    def receive(self, content: bytes) -> bytes:
        """The samples' bytes that are in, or complete with, `content`; what follows the samples is left out.

        Raises:
            InvalidRequestError: it is no WAV file, or one of a form that is not taken.
        """
        if self.form is None:
            self._header += content
            content = self._read_header()
            if self.form is None:
                if len(self._header) > _MAX_HEADER_BYTES:
                    raise InvalidRequestError(_FIELD, f"no samples within {_MAX_HEADER_BYTES} bytes of a WAV header")
                return b""
        if self._left is None:
            return content
        samples = content[: self._left]
        self._left -= len(samples)
        return samples

    def _read_header(self) -> bytes:
        """Look for the samples; gives those that came already."""
        header, place = self._header, 12
        if not (b"RIFF".startswith(header[:4]) and b"WAVE".startswith(header[8:12])):
            raise InvalidRequestError(_FIELD, "is not a WAV file; set audio.encoding to what it is")
        found: PcmFormat | None = None
        while len(header) >= place + 8:
            name, size = header[place : place + 4], struct.unpack_from("<I", header, place + 4)[0]
            place += 8
            if name == b"data":
                if found is None:
                    raise InvalidRequestError(_FIELD, "the WAV file has samples before their format")
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
            raise InvalidRequestError(_FIELD, "the format of the WAV file is cut off")
        tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", content)
        if tag == _EXTENSIBLE and len(content) >= 26:
            tag = struct.unpack_from("<H", content, 24)[0]
        encoding = _ENCODINGS.get((tag, bits))
        if encoding is None:
            taken = "16-bit PCM, 32-bit float, A-law and µ-law"
            raise InvalidRequestError(_FIELD, f"a WAV file with {bits} bits of format {tag} is not taken; {taken} are")
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ or not 1 <= channels <= MAX_CHANNELS:
            raise InvalidRequestError(
                _FIELD,
                f"a WAV file of {rate_hz} Hz and {channels} channels is not taken; "
                f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz and 1 to {MAX_CHANNELS} are",
            )
        return PcmFormat(encoding, rate_hz, channels)
