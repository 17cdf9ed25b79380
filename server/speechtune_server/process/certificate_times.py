"""From when to when certificates are valid. Reads of their DER form just as much as that takes (RFC 5280)."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import NamedTuple

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17


class Validity(NamedTuple):
    """Seconds since 1970."""

    not_before: float
    not_after: float

    def fault(self, now: float) -> str | None:
        """What is wrong with it at `now`; None: nothing."""
        if now < self.not_before:
            return f"is not valid before {_said(self.not_before)}"
        return f"expired on {_said(self.not_after)}" if now > self.not_after else None


def validity_of(chain: str) -> Validity:
    """When all certificates of a PEM chain are valid.

    Raises:
        ValueError: there is none, or one does not have its form.
    """
    times = [_times(ssl.PEM_cert_to_DER_cert(block)) for block in _BLOCK.findall(chain)]
    if not times:
        raise ValueError("there is no certificate in it")
    return Validity(max(first for first, _ in times), min(last for _, last in times))


def _times(der: bytes) -> tuple[float, float]:
    try:
        certificate = _parts(der)[0][1]
        fields = _parts(_parts(certificate)[0][1])
    except IndexError as error:
        raise ValueError("a certificate does not have its form") from error
    if fields and fields[0][0] == _VERSION:
        del fields[0]
    _, _, _, (tag, validity), *_ = fields  # after serial number, algorithm and issuer
    if tag != _SEQUENCE:
        raise ValueError("a certificate does not have its form")
    first, last = _parts(validity)
    return _time(*first), _time(*last)


def _parts(content: bytes) -> list[tuple[int, bytes]]:
    """The elements that follow one another in DER: tag and content of each."""
    parts, place = [], 0
    while place < len(content):
        if place + 2 > len(content):
            raise ValueError("a certificate is cut off")
        tag, length, place = content[place], content[place + 1], place + 2
        if length & 0x80:
            num_bytes = length & 0x7F
            length, place = int.from_bytes(content[place : place + num_bytes], "big"), place + num_bytes
        if place + length > len(content):
            raise ValueError("a certificate is cut off")
        parts.append((tag, content[place : place + length]))
        place += length
    return parts


def _time(tag: int, content: bytes) -> float:
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: from 50 on those of 1950
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _said(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
