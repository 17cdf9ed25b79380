"""The pages of an Ogg stream that comes piece by piece, and the packets in them (RFC 3533)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.decoding.forms import FIELD, NUM_HEAD_BYTES, FileEncoding, another_form

_MARK = b"OggS"
_HEADER = struct.Struct("<4sBBqIIIB")
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_MAX_PACKET_BYTES = 1 << 20
_NO_GRANULE = -1
_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True)
class Page:
    """The packets that end on one page.

    Attributes:
        granule: place in the stream after them, in a unit of the codec's; None: no packet ends here.
        is_last: whether the stream ends with this page.
    """

    packets: tuple[bytes, ...]
    granule: int | None
    is_last: bool


class OggPages:
    """Reads the pages of one stream, which must be the only one."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._packet = bytearray()
        self._is_open = False
        self._serial = 0
        self._number: int | None = None
        self._is_last = False

    def receive(self, content: bytes) -> Iterator[Page]:
        """The pages that are complete with `content`.

        Raises:
            InvalidRequestError: it is no Ogg file.
            UnreadableAudioError: it is damaged, or holds more than one stream.
        """
        self._waiting += content
        while (length := self._length()) is not None:
            page = bytes(self._waiting[:length])
            del self._waiting[:length]
            yield self._read(page)

    @property
    def is_whole(self) -> bool:
        """Whether what came ends with a page, and with a packet."""
        return not self._waiting and not self._is_open

    def _length(self) -> int | None:
        """Of the page that begins what waits; None: it is not complete."""
        head = self._waiting[:4]
        if not _MARK.startswith(head):
            if self._number is None:
                if len(self._waiting) < NUM_HEAD_BYTES:
                    return None
                raise another_form(FileEncoding.OGG_OPUS, bytes(self._waiting[:NUM_HEAD_BYTES]))
            raise self._damaged("a page is due there")
        if len(self._waiting) < _HEADER.size:
            return None
        num_segments = self._waiting[26]
        body = _HEADER.size + num_segments
        length = body + sum(self._waiting[_HEADER.size : body])
        return length if len(self._waiting) >= length and len(self._waiting) >= body else None

    def _read(self, page: bytes) -> Page:
        _, version, flags, granule, serial, number, check_sum, num_segments = _HEADER.unpack_from(page)
        if version != 0 or page_check_sum(page) != check_sum:
            raise self._damaged("the check sum of its next page does not fit")
        if self._number is None:
            if not flags & _FIRST:
                raise InvalidRequestError(FIELD, "the Ogg file does not begin with its first page; send it from there")
            self._serial = serial
        elif serial != self._serial or flags & _FIRST or self._is_last:
            raise UnreadableAudioError("the Ogg file holds more than one stream; send one in a call")
        elif number != self._number + 1 & 0xFFFFFFFF or bool(flags & _CONTINUED) != self._is_open:
            raise self._damaged("a page is missing")
        self._number, self._is_last = number, bool(flags & _LAST)
        segments = page[_HEADER.size : _HEADER.size + num_segments]
        packets = tuple(self._packets(segments, page[_HEADER.size + num_segments :]))
        if packets and granule == _NO_GRANULE:
            raise self._damaged("its next page does not say where it lies")
        return Page(packets, granule if packets else None, self._is_last)

    def _packets(self, segments: bytes, body: bytes) -> Iterator[bytes]:
        place = 0
        for size in segments:
            self._packet += body[place : place + size]
            place += size
            self._is_open = size == 255
            if not self._is_open:
                yield bytes(self._packet)
                self._packet.clear()
            elif len(self._packet) > _MAX_PACKET_BYTES:
                raise self._damaged(f"a packet has more than {_MAX_PACKET_BYTES} bytes")

    def _damaged(self, why: str) -> UnreadableAudioError:
        after = 0 if self._number is None else self._number + 1
        return UnreadableAudioError(f"the Ogg file is damaged after {after} pages: {why}; send it again")


def num_first_pages(content: bytes) -> int:
    """How many streams begin in a file, one after the other or side by side; counted as far as its pages go on."""
    place = num_first = 0
    while content.startswith(_MARK, place) and len(content) >= place + _HEADER.size:
        num_first += bool(content[place + 5] & _FIRST)
        body = place + _HEADER.size + content[place + 26]
        place = body + sum(content[place + _HEADER.size : body])
    return num_first


def page_check_sum(page: bytes) -> int:
    """CRC-32 of a page, its own check sum taken as 0. zlib's runs over the bits the other way round."""
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(_MIRRORED)
    crc = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_MIRRORED), "big")
