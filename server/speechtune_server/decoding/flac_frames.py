"""Where a FLAC stream's frames lie, from their headers (RFC 9639, sections 8 and 9); no sample is decoded here."""

from __future__ import annotations

from dataclasses import dataclass

from speechtune.errors import InvalidRequestError
from speechtune_server.decoding.forms import FIELD, check_form

STREAMINFO_BYTES = 34
MAX_HEADER_BYTES = 16
"""Of a frame."""

_BLOCK_SIZES = {1: 192, **{code: 576 << code - 2 for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
_RATES_HZ = {
    1: 88_200, 2: 176_400, 3: 192_000, 4: 8_000, 5: 16_000, 6: 22_050, 7: 24_000, 8: 32_000, 9: 44_100, 10: 48_000,
    11: 96_000,
}  # fmt: skip
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}
_STEREO_CODES = range(8, 11)


def _crc8_table() -> bytes:
    table = bytearray(256)
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
        table[value] = crc
    return bytes(table)


_CRC8 = _crc8_table()


@dataclass(frozen=True)
class StreamInfo:
    """What a FLAC stream says of itself.

    Attributes:
        block_samples: the most samples of a frame.
        bits: of one amplitude value.
        num_samples: in the whole stream; 0: not known.
    """

    block_samples: int
    rate_hz: int
    channels: int
    bits: int
    num_samples: int

    @staticmethod
    def of(content: bytes) -> StreamInfo:
        """Read the 34 bytes of a STREAMINFO block.

        Raises:
            InvalidRequestError: a rate or channels that are not taken, or what cannot be.
        """
        packed = int.from_bytes(content[10:18], "big")
        info = StreamInfo(
            block_samples=int.from_bytes(content[2:4], "big"),
            rate_hz=packed >> 44,
            channels=(packed >> 41 & 0x7) + 1,
            bits=(packed >> 36 & 0x1F) + 1,
            num_samples=packed & 0xFFFFFFFFF,
        )
        check_form("a FLAC file", info.rate_hz, info.channels)
        if info.block_samples < 16 or info.bits < 4:
            raise InvalidRequestError(FIELD, "the header of the FLAC file is damaged; send it again from its beginning")
        return info


@dataclass(frozen=True)
class FrameHeader:
    """The beginning of a frame.

    Attributes:
        is_fixed: whether all frames but the last hold the same number of samples.
        number: of the frame, if so; else of its first sample.
        num_samples: of the frame.
    """

    is_fixed: bool
    number: int
    num_samples: int

    @property
    def next_number(self) -> int:
        """What the frame after this one is numbered."""
        return self.number + (1 if self.is_fixed else self.num_samples)

    def max_bytes(self, info: StreamInfo) -> int:
        """No encoder needs more for this frame: every value as it is, one bit more in a stereo difference."""
        return 64 + info.channels * (8 + self.num_samples * (info.bits + 1) // 8)


def frame_header(data: bytes | bytearray, info: StreamInfo) -> FrameHeader | None:
    """The header that `data` begins with; None: there is none that fits the stream.

    Args:
        data: at least `MAX_HEADER_BYTES`, except at the end of the stream.
        info: of the stream.
    """
    if len(data) < 6 or data[0] != 0xFF or data[1] & 0xFE != 0xF8:
        return None
    block_code, rate_code, channel_code = data[2] >> 4, data[2] & 0x0F, data[3] >> 4
    place = 4 + _number_length(data[4])
    if place == 4 or data[3] & 0x01:
        return None
    block_bytes = {6: 1, 7: 2}.get(block_code, 0)
    rate_bytes = {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    end = place + block_bytes + rate_bytes
    if len(data) <= end or _crc8(data[:end]) != data[end]:
        return None
    rate_hz = _RATES_HZ.get(rate_code, info.rate_hz)
    if rate_bytes:
        scale = {12: 1_000, 13: 1, 14: 10}[rate_code]
        rate_hz = scale * int.from_bytes(data[end - rate_bytes : end], "big")
    channels = 2 if channel_code in _STEREO_CODES else channel_code + 1
    bits = _BITS.get(data[3] >> 1 & 0x7, info.bits)
    if (rate_hz, channels, bits) != (info.rate_hz, info.channels, info.bits) or rate_code == 15:
        return None
    if block_bytes:
        num_samples = int.from_bytes(data[place : place + block_bytes], "big") + 1
    else:
        num_samples = _BLOCK_SIZES.get(block_code, 0)
    if not 1 <= num_samples <= info.block_samples:
        return None
    return FrameHeader(not data[1] & 1, _number(data[4:place]), num_samples)


def _number_length(first: int) -> int:
    """Bytes of a number written as UTF-8 would be, up to seven; 0: that is none."""
    if first < 0x80:
        return 1
    ones = 8 - (first ^ 0xFF).bit_length()
    return ones if ones >= 2 and ones <= 7 else 0


def _number(content: bytes | bytearray) -> int:
    if len(content) == 1:
        return content[0]
    number = content[0] & (1 << max(7 - len(content), 0)) - 1
    for value in content[1:]:
        number = number << 6 | value & 0x3F
    return number


def _crc8(content: bytes | bytearray) -> int:
    crc = 0
    for value in content:
        crc = _CRC8[crc ^ value]
    return crc
