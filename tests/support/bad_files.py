"""Audio files with every fault that a writer, a copy or an enemy leaves, made by code: name to form and bytes."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from tests.support.clips import word_like
from tests.support.files import in_form

WORD = np.concatenate([np.zeros(2_000, np.float32), word_like(8, 9_000), np.zeros(3_000, np.float32)])
LIST = b"LIST" + struct.pack("<I", 4) + b"INFO"


def wav(samples: NDArray[np.float32] = WORD, subtype: str = "PCM_16", rate_hz: int = 16_000) -> bytes:
    """A sound WAV file; of 16-bit ones the samples begin at byte 44."""
    return in_form("WAV", samples, rate_hz, subtype)


def patched(content: bytes, place: int, patch: bytes) -> bytes:
    """The same file with other bytes at `place`."""
    return content[:place] + patch + content[place + len(patch) :]


def sized(size: int, content: bytes | None = None) -> bytes:
    """A WAV file that claims so many bytes of samples."""
    return patched(wav() if content is None else content, 40, struct.pack("<I", size))


def _untrue_sizes() -> dict[str, bytes]:
    num_bytes = 2 * len(WORD)
    sizes = (0, 1, 2, 3, 100, num_bytes - 2, num_bytes - 1, num_bytes + 1, num_bytes + 1_000_000, 0x7FFFFFFF)
    sizes = (*sizes, 0x7FFFFFFE, 0xFFFFFFFF, 0xFFFFFFDB, 0xFFFFFFF0)
    files = {f"wav of {size} bytes": sized(size) for size in sizes}
    files |= {f"wav of riff size {size}": patched(wav(), 4, struct.pack("<I", size)) for size in (0, 36, 0xFFFFFFFF)}
    tails = (b"\1", b"\1\2\3", b"\0\1\2\3\4", LIST, b"\0" + LIST, b"TAG" + bytes(125), b"ID3\3" + bytes(20))
    files |= {f"wav with {tail[:6]!r} behind": wav() + tail for tail in tails}
    files |= {f"wav of 0 bytes with {tail[:6]!r} behind": sized(0) + tail for tail in tails}
    return files


def _cut() -> dict[str, bytes]:
    places = (0, 1, 4, 8, 11, 12, 16, 20, 30, 36, 40, 43, 44, 45, 46, 47, 1_000, 10_001)
    return {f"wav cut at {place}": wav()[:place] for place in places}


def _forms() -> dict[str, bytes]:
    content = wav()
    patches = {
        "no channels": (22, b"\0\0"), "no rate": (24, bytes(4)), "1 Hz": (24, struct.pack("<I", 1)),
        "a gigahertz": (24, struct.pack("<I", 10**9)), "format 0": (20, b"\0\0"), "format 85": (20, b"\x55\0"),
        "0 bits": (34, b"\0\0"), "20 bits": (34, b"\x14\0"), "no fmt": (12, b"junk"), "no data": (36, b"junk"),
        "no RIFF": (0, b"RIFG"), "no WAVE": (8, b"WAVY"), "a long fmt": (16, struct.pack("<I", 0x7FFFFFF0)),
        "block 0": (32, b"\0\0"), "bytes a second 0": (28, bytes(4)), "fmt of 2 bytes": (16, struct.pack("<I", 2)),
    }  # fmt: skip
    files = {f"wav with {name}": patched(content, *patch) for name, patch in patches.items()}
    for value in (np.nan, np.inf, 1e30, 40.0):
        samples = WORD.copy()
        samples[5_000] = value
        files[f"wav with {value}"] = wav(samples, "FLOAT")
    for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"):
        whole = wav(subtype=subtype)
        files[f"wav of {subtype} cut inside a value"] = whole[:-1]
        files[f"wav of {subtype} without a size"] = patched(whole, whole.index(b"data", 36) + 4, bytes(4))
    both = np.stack([WORD, -WORD], axis=1)
    files |= {"wav in antiphase": wav(both), "wav in antiphase cut": wav(both)[:-3], "wav of nothing": wav(WORD[:0])}
    return files | {"wav of one sample": wav(WORD[3_000:3_001]), "wav of pairs": wav(np.repeat(WORD, 2))}


def _others() -> dict[str, tuple[str, bytes]]:
    flac, opus = in_form("FLAC", WORD), in_form("OGG_OPUS", WORD)
    files: dict[str, tuple[str, bytes]] = {}
    for place in (0, 3, 10, 42, len(flac) // 2, len(flac) - 1):
        files[f"flac cut at {place}"] = ("FLAC", flac[:place])
    for place in (0, 3, 10, 40, len(opus) // 2, len(opus) - 1):
        files[f"opus cut at {place}"] = ("OGG_OPUS", opus[:place])
    files["flac without a length"] = ("FLAC", patched(flac, 22, bytes(4)))
    files["flac that claims too much"] = ("FLAC", patched(flac, 22, struct.pack(">I", 100_000)))
    files["flac with a flipped bit"] = ("FLAC", patched(flac, len(flac) // 2, bytes([flac[len(flac) // 2] ^ 0x10])))
    files["flac that is a wav"], files["opus that is a wav"] = ("FLAC", wav()), ("OGG_OPUS", wav())
    files["wav that is a flac"], files["wav that is text"] = ("WAV", flac), ("WAV", b"not audio at all" * 100)
    files["wav that is m4a"] = ("WAV", b"\0\0\0\x20ftypM4A " + bytes(500))
    files["wav that is zeros"] = ("WAV", bytes(1_000))
    return files


def bad_files() -> dict[str, tuple[str, bytes]]:
    """Name to form (`WAV`, `FLAC` or `OGG_OPUS`) and content."""
    wavs = _untrue_sizes() | _cut() | _forms()
    return {name: ("WAV", content) for name, content in wavs.items()} | _others()
