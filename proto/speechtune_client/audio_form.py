"""What the bytes of a stream weigh, and how often its server must tell how far it is."""

from __future__ import annotations

from speechtune_client.settings import StreamSettings

COMPRESSED_ENCODINGS = frozenset({"FLAC", "OGG_OPUS"})
FILE_ENCODINGS = COMPRESSED_ENCODINGS | {"WAV"}

PACING_INTERVAL_MS = 250
"""Heartbeats are always asked for this often at least: they tell how far the server is."""
_WIDE_INTERVAL_MS = 100
"""Where a second may have so many bytes that the server's limit is less than half of it: the least it takes."""
_WIDE_BYTES_PER_SECOND = 2 << 20

_FILE_BYTES_PER_SECOND = 16_000
_BYTES_PER_VALUE = {"LINEAR16": 2, "FLOAT32": 4, "MULAW": 1, "ALAW": 1}


def bytes_per_second(settings: StreamSettings) -> int:
    """Bytes in one second of a stream's audio; of a file, whose header tells, a guess."""
    width = _BYTES_PER_VALUE.get(_encoding(settings))
    if width is None:
        return _FILE_BYTES_PER_SECOND
    return width * settings.get("sample_rate_hertz", 16_000) * (settings.get("channels", 1) or 1)


def pacing_interval_ms(settings: StreamSettings) -> int:
    """How often heartbeats are needed at least; a WAV file may turn out to have many bytes a second."""
    is_wide = _encoding(settings) == "WAV" or bytes_per_second(settings) > _WIDE_BYTES_PER_SECOND
    return _WIDE_INTERVAL_MS if is_wide else PACING_INTERVAL_MS


def _encoding(settings: StreamSettings) -> str:
    return settings.get("encoding", "LINEAR16").upper()
