"""The header of a WAV file, read once for every path: whole files, stretches of long ones, and live streams. No IO.

What a header says of the length is often not true: a recorder that was switched off, a pipe, a copy that broke off.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from speechtune.errors import UnreadableAudioError

NUM_BYTES_THAT_TELL = 5
"""So many bytes after the samples that a header claims tell whether something else begins there."""

_MARKS = (b"RIFF", b"RF64", b"RIFX")
_MAX_SKIPPED_BYTES = 64 << 20
_PCM, _EXTENSIBLE = 1, 0xFFFE
_NAME = re.compile(rb"[A-Za-z0-9_ ]{4}")
_UNKNOWN_SIZE, _LEAST_UNKNOWN_SIZE = 0x7FFFFFFF, 0xFFFF_0000
"""What programs write that do not know yet how long the recording will be; some subtract a header from 2³² - 1."""


@dataclass(frozen=True)
class WavHeader:
    """What stands before the samples.

    Attributes:
        tag, bits: the kind of a value: the format tag (of an extensible format, the one inside) and its width.
        byte_order: `<` or `>`.
        start: where the samples begin, in bytes.
        claimed: bytes of samples that the header speaks of, 0 perhaps because nobody wrote it; None: it does not know.
        size_at: where the size of the samples stands.
    """

    tag: int
    bits: int
    channels: int
    rate_hz: int
    byte_order: str
    start: int
    claimed: int | None
    size_at: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one value in every channel; 1 where values have no width of their own."""
        return max(self.channels * self.bits // 8, 1)

    def num_bytes_there(self, num_available: int, after: bytes) -> int:
        """How many bytes of samples there are: whole frames, and nothing that comes after the samples.

        Args:
            num_available: bytes from `start` to the end of the file.
            after: the first `NUM_BYTES_THAT_TELL` bytes behind what the header claims, or fewer at the end.
        """
        num_there = num_available
        if self.claimed is not None and (num_available < self.claimed or ends_samples(after)):
            num_there = min(self.claimed, num_available)
        return num_there - num_there % self.frame_bytes

    def note(self, num_there: int) -> str | None:
        """One sentence where the header is not true of the `num_there` bytes of samples that are there; else None."""
        if self.claimed is not None and self.claimed // self.frame_bytes == num_there // self.frame_bytes:
            return None
        seconds = self.frame_bytes * max(self.rate_hz, 1)
        said = "no length" if self.claimed is None else f"{self.claimed / seconds:.3f} s"
        return f"its header claims {said}, {num_there / seconds:.3f} s are there and were read"


def is_wav(head: bytes) -> bool:
    """Whether a file that begins with `head`, of at most 12 bytes looked at, may be a WAV file.

    >>> is_wav(b"RIFX"), is_wav(b"RIFF....WAVE"), is_wav(b"RIFF....AVI ")
    (True, True, False)
    """
    return any(mark.startswith(head[:4]) for mark in _MARKS) and b"WAVE".startswith(head[8:12])


def ends_samples(after: bytes) -> bool:
    r"""Whether what follows the claimed samples is not more of them: nothing, or the name of another part of the file.

    >>> ends_samples(b""), ends_samples(b"LIST\x05"), ends_samples(b"\0LIST"), ends_samples(b"\x03\0\xff\xff\1")
    (True, True, True, False)
    """
    return len(after) < 4 or _is_name(after[:4]) or (len(after) > 4 and after[0] == 0 and _is_name(after[1:5]))


def _is_name(name: bytes) -> bool:
    """As parts of a WAV file are called; players append ID3 and TAG."""
    return name[:3] in (b"ID3", b"TAG") or _NAME.fullmatch(name) is not None


class WavHeaderReader:
    """Reads a header that comes in pieces, and keeps no more of it than it needs.

    Attributes:
        header: None until it is complete.
    """

    def __init__(self) -> None:
        self.header: WavHeader | None = None
        self._waiting = bytearray()
        self._place = 0
        self._num_to_skip = 0
        self._order = "<"
        self._form: tuple[int, int, int, int] | None = None
        self._long_size: int | None = None

    def receive(self, content: bytes) -> bytes:
        """Take the next bytes of the file; gives those that lie behind the header, once it is complete.

        Raises:
            UnreadableAudioError: it is not the header of a WAV file, or one that makes no sense.
        """
        self._waiting += content
        if self._place == 0 and not self._take_mark():
            return b""
        while self.header is None:
            skipped = min(self._num_to_skip, len(self._waiting))
            self._drop(skipped)
            self._num_to_skip -= skipped
            if self._num_to_skip or not self._take_chunk():
                return b""
        rest, self._waiting = bytes(self._waiting), bytearray()
        return rest

    def _take_mark(self) -> bool:
        head = bytes(self._waiting[:12])
        if not is_wav(head):
            raise UnreadableAudioError("is not a WAV file")
        if len(head) < 12:
            return False
        self._order = ">" if head[:4] == b"RIFX" else "<"
        self._drop(12)
        return True

    def _take_chunk(self) -> bool:
        """Read one part of the file; whether it was here."""
        if len(self._waiting) < 8:
            return False
        name, size = struct.unpack_from(f"{self._order}4sI", self._waiting)
        if name == b"data":
            self._begin_samples(size)
        elif name in (b"fmt ", b"ds64") and size <= 1024:
            if len(self._waiting) < 8 + size:
                return False
            self._take_form(name, bytes(self._waiting[8 : 8 + size]))
            self._drop(8)
            self._num_to_skip = size + size % 2
        elif self._place + size > _MAX_SKIPPED_BYTES:
            raise UnreadableAudioError(f"no samples within {_MAX_SKIPPED_BYTES >> 20} MiB of a WAV header")
        else:
            self._drop(8)
            self._num_to_skip = size + size % 2
        return True

    def _take_form(self, name: bytes, content: bytes) -> None:
        if name == b"ds64":  # RF64: its size of the samples is 8 bytes long
            self._long_size = struct.unpack_from("<Q", content, 8)[0] or None if len(content) >= 16 else None
            return
        if len(content) < 16:
            raise UnreadableAudioError("the format of the WAV file is cut off")
        tag, channels, rate_hz, _, _, bits = struct.unpack_from(f"{self._order}HHIIHH", content)
        if tag == _EXTENSIBLE and len(content) >= 26:
            tag = struct.unpack_from(f"{self._order}H", content, 24)[0]
        if not rate_hz or not channels:
            raise UnreadableAudioError(f"the WAV header speaks of {channels} channels at {rate_hz} Hz")
        if tag == _PCM and bits not in (8, 16, 24, 32):
            raise UnreadableAudioError(f"a WAV file with {bits} bits of format 1 is not taken; PCM of 8 to 32 bits is")
        self._form = tag, bits, channels, rate_hz

    def _begin_samples(self, size: int) -> None:
        if self._form is None:
            raise UnreadableAudioError("the WAV file has samples before their format")
        tag, bits, channels, rate_hz = self._form
        is_known = size != _UNKNOWN_SIZE and size < _LEAST_UNKNOWN_SIZE and (size or self._long_size is None)
        claimed = size if is_known else self._long_size
        self._drop(8)
        start = self._place
        self.header = WavHeader(tag, bits, channels, rate_hz, self._order, start, claimed, start - 4)

    def _drop(self, num_bytes: int) -> None:
        del self._waiting[:num_bytes]
        self._place += num_bytes
