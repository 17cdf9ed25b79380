"""A file that reads as if a few of its bytes were others; the file itself stays as it is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import BinaryIO, cast


def overlaid(file: BinaryIO, overlays: Mapping[int, bytes], end: int | None = None) -> BinaryIO:
    """What reads `file` with the bytes of `overlays` in place of its own, up to `end`.

    Args:
        file: readable and seekable; it is left open.
        overlays: bytes by their place.
        end: where the file is to end; None: where it does.
    """
    return cast(BinaryIO, _OverlaidFile(file, overlays, end))


class _OverlaidFile(io.RawIOBase):
    def __init__(self, file: BinaryIO, overlays: Mapping[int, bytes], end: int | None) -> None:
        self._file = file
        self._overlays = overlays
        self._end = file.seek(0, io.SEEK_END) if end is None else end
        file.seek(0)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As files do, counted from the new end where that is asked for."""
        if whence == io.SEEK_END:
            offset, whence = self._end + offset, io.SEEK_SET
        return self._file.seek(offset, whence)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any writable buffer
        """Fill `buffer` as far as the file goes; gives how many bytes."""
        start = self._file.tell()
        content = bytearray(self._file.read(max(min(len(buffer), self._end - start), 0)))
        for place, overlay in self._overlays.items():
            first, last = max(place, start), min(place + len(overlay), start + len(content))
            if first < last:
                content[first - start : last - start] = overlay[first - place : last - place]
        buffer[: len(content)] = content
        return len(content)
