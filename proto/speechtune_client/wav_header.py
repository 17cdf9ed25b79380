"""The header of a WAV file on its way to the server: its length, and what comes after it. No IO."""

from __future__ import annotations

import struct

_MARKS = (b"RIFF", b"RF64")
_LONGEST_HEADER_BYTES = 64 * 1024
"""A server looks no further; a client that never saw samples must not wait for one."""
_LEAST_UNKNOWN_SIZE = 0x7FFFFFFF
"""Programs that do not know the size yet, and long files, write this or more, or nothing."""


class WavHeader:
    """Reads a header that comes in pieces.

    Attributes:
        num_bytes: of the header, as far as it was seen.
        is_complete: whether nothing of it is still to come; what is no WAV file has none.
        bytes_per_second: of the samples; None while the header does not tell, or where it makes no sense.
        num_sample_bytes: of all samples; None where the header does not tell, as in a recording still being written.
    """

    def __init__(self) -> None:
        self.num_bytes = 0
        self.is_complete = False
        self.bytes_per_second: int | None = None
        self.num_sample_bytes: int | None = None
        self._content = b""
        self._place = 12

    def receive(self, content: bytes) -> int:
        """Take the next bytes of the file; gives how many of them belong to the header."""
        if self.is_complete:
            return 0
        seen = len(self._content)
        self._content += content
        is_wav = self._may_be_wav()
        if is_wav and not self._has_samples():
            if len(self._content) <= _LONGEST_HEADER_BYTES:
                self.num_bytes = len(self._content)
                return len(content)
            is_wav = False
        self.is_complete, self.num_bytes = True, self._place if is_wav else 0
        self._content = b""
        return max(self.num_bytes - seen, 0)

    def _has_samples(self) -> bool:
        """Read on; whether the samples begin at `_place`."""
        header = self._content
        while len(header) >= self._place + 8:
            name, size = struct.unpack_from("<4sI", header, self._place)
            start = self._place + 8
            if name == b"data":
                self._place = start
                self.num_sample_bytes = size if 0 < size < _LEAST_UNKNOWN_SIZE else None
                return True
            if len(header) < start + size + size % 2:
                return False
            if name == b"fmt " and size >= 16:
                # As a server counts them: some programs write nonsense into the field for this.
                channels, rate_hz, _, _, bits = struct.unpack_from("<HIIHH", header, start + 2)
                self.bytes_per_second = rate_hz * channels * bits // 8 or None
            self._place = start + size + size % 2
        return False

    def _may_be_wav(self) -> bool:
        header = self._content
        return any(mark.startswith(header[:4]) for mark in _MARKS) and b"WAVE".startswith(header[8:12])
