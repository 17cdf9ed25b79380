"""The length of a FLAC file whose header does not tell it, as when it was written into a pipe."""

from __future__ import annotations

from typing import BinaryIO

import soundfile

from speechtune.audio.overlaid import overlaid

_LENGTH_AT = 21
"""The last 4 bits of this byte, and the 4 bytes after it."""
_BLOCK_AT, _RATE_AT = 8, 18


def with_flac_length(file: BinaryIO, max_seconds: float | None) -> BinaryIO:
    """The same file with its length in its header, for which it is decoded; as it is where it has one.

    It is decoded no further than `max_seconds`; the length of a longer one is given as a little more than that.
    """
    head = file.read(_LENGTH_AT + 5)
    file.seek(0)
    if len(head) < _LENGTH_AT + 5 or head[_LENGTH_AT] & 0x0F or any(head[_LENGTH_AT + 1 :]):
        return file
    block = max(int.from_bytes(head[_BLOCK_AT + 2 : _BLOCK_AT + 4], "big"), 1)
    rate_hz = int.from_bytes(head[_RATE_AT : _RATE_AT + 3], "big") >> 4
    num_frames = _num_frames(file, block, None if max_seconds is None else int(max_seconds * rate_hz) + 1)
    file.seek(0)
    upper = bytes([head[_LENGTH_AT] | (num_frames >> 32 & 0x0F)])
    return overlaid(file, {_LENGTH_AT: upper + (num_frames & 0xFFFF_FFFF).to_bytes(4, "big")})


def _num_frames(file: BinaryIO, block: int, most_wanted: int | None) -> int:
    """Frames that can be decoded: one more than the last place that soundfile can go to after a read."""
    num_whole = _num_read(file, block, most_wanted)
    if most_wanted is not None and num_whole >= most_wanted:
        return num_whole
    least, most = 0, block - 1
    while least < most:
        middle = (least + most + 1) // 2
        if _num_read(file, block, num_whole + middle) == num_whole + middle:
            least = middle
        else:
            most = middle - 1
    return num_whole + least + 1


def _num_read(file: BinaryIO, block: int, wanted: int | None) -> int:
    """How many frames come, in blocks, before libsndfile fails; no more than are wanted."""
    file.seek(0)
    num_read = 0
    with soundfile.SoundFile(file) as sound:
        while wanted is None or num_read < wanted:
            size = block if wanted is None else min(block, wanted - num_read)
            try:
                num_read += len(sound.read(size, dtype="int16", always_2d=True))
            except soundfile.LibsndfileError:
                break
    return num_read
