"""How far readers of a FLAC stream lag behind it: twenty seconds of noise in pieces of a tenth of a second.

    python -m benchmarks.flac_lag

Prints one JSON line for each reader: the longest lag behind the audio that has come, in seconds, and the time that the
decoding took, in milliseconds.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import soundfile

from speechtune_server.decoding.flac import FlacStream

SECONDS = 20
RATE_HZ = 16_000
NUM_PIECES = 200


def main() -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * RATE_HZ)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    content = file.getvalue()
    own, codec = FlacStream(), av.CodecContext.create("flac", "r")
    readers: dict[str, Callable[[bytes], int]] = {
        "our reader": lambda piece: sum(len(values) for values in own.receive(piece)) // 2,
        "FFmpeg's parser": lambda piece: _num_parsed(codec, piece),
    }
    for name, read in readers.items():
        began = time.perf_counter()
        lag_seconds = _longest_lag(content, read)
        taken_ms = 1000 * (time.perf_counter() - began)
        print(json.dumps({"reader": name, "lag_seconds": round(lag_seconds, 3), "decoding_ms": round(taken_ms)}))


def _longest_lag(content: bytes, read: Callable[[bytes], int]) -> float:
    """The longest lag in seconds, by the share of the bytes that has come."""
    step = -(-len(content) // NUM_PIECES)
    num_samples, longest = 0, 0.0
    for start in range(0, len(content), step):
        num_samples += read(content[start : start + step])
        sent_seconds = SECONDS * min((start + step) / len(content), 1.0)
        longest = max(longest, sent_seconds - num_samples / RATE_HZ)
    return longest


def _num_parsed(codec: Any, piece: bytes) -> int:
    return sum(frame.samples for packet in codec.parse(piece) for frame in codec.decode(packet))


if __name__ == "__main__":
    main()
