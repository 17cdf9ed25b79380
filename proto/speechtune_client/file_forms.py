"""What kind of audio file a client has, by its first bytes. No IO."""

from __future__ import annotations

import re

_BEGINNINGS = {
    "WAV": re.compile(rb"(RIFF|RIFX|RF64).{4}WAVE", re.DOTALL),
    "FLAC": re.compile(rb"fLaC"),
    "OGG_OPUS": re.compile(rb"OggS"),
}


def encoding_of(content: bytes) -> str:
    """The encoding of a whole file as the contract names it; "" where its first bytes do not tell.

    Servers tell it themselves, but older ones do not.

    >>> encoding_of(b"RIFF....WAVEfmt "), encoding_of(b"fLaC"), encoding_of(b"RIFF....AVI ")
    ('WAV', 'FLAC', '')
    """
    return next((name for name, beginning in _BEGINNINGS.items() if beginning.match(content)), "")
