"""Names that people type: of labels, clips and models. One form for the same name, and none that hides what it is."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # they turn the direction of writing round
)
_NOT_TEXT = re.compile("[\ud800-\udfff]")


def composed(name: str) -> str:
    r"""The one form of a name that may be written in several (Unicode's NFC): accents and Korean syllables as one.

    >>> composed("e\u0301") == "\u00e9", composed("\u1100\u1161") == "\uac00"
    (True, True)
    """
    return unicodedata.normalize("NFC", name)


def hidden_character(name: str) -> str | None:
    r"""The first character that no name may hold, as `U+202E`: a control, a line separator, a mark of direction.

    Characters that are not text, as file names have that are not UTF-8, are among them. None: there is none.

    >>> hidden_character("on\u202e"), hidden_character("lights on")
    ('U+202E', None)
    """
    found = _FORBIDDEN.search(name) or _NOT_TEXT.search(name)
    return None if found is None else f"U+{ord(found[0]):04X}"


def readable(name: str) -> str:
    r"""A name that can be written as UTF-8, with bytes of a file name that are not as `\xe9`.

    >>> readable("caf\udce9"), readable("café")
    ('caf\\xe9', 'café')
    """
    return _NOT_TEXT.sub(lambda found: _escaped(ord(found[0])), name)


def _escaped(code: int) -> str:
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    r"""Different names that a reader takes for one: they differ in case, width, spaces, or in what is not seen.

    >>> look_alikes(["on", "On", "off", "o\u200bn"])
    [('On', 'on', 'o\u200bn')]
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        seen = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) != "Cf")
        groups[unicodedata.normalize("NFKC", " ".join(seen.split()).casefold())].add(name)
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1]


def look_alike_notes(names: Iterable[str]) -> tuple[str, ...]:
    """One sentence on each group of `look_alikes`, with what is not seen made visible."""
    return tuple(
        f"labels that look the same: {', '.join(ascii(name) for name in group)}; make them one, unless they differ"
        for group in look_alikes(names)
    )
