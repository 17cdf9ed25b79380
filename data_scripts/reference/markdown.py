"""Tables and docstrings as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

_EMPHASIS = re.compile(r"(?<!\w)_(\w+)_(?!\w)")
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
_ITEM = re.compile(r"^ {4}(?P<names>[\w`*, ]+): (?P<text>.*)$")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may have several lines."""
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return outside_code(" ".join(text.split()).replace("|", "\\|"))


def outside_code(text: str) -> str:
    """The same text, in which nothing between two pieces of code is taken for a tag or for emphasis."""
    parts = text.split("`")
    return "`".join(
        part if place % 2 else _EMPHASIS.sub(r"\\_\1\\_", part.replace("<", "&lt;")) for place, part in enumerate(parts)
    )


def docstring(text: str | None) -> str:
    """A docstring in Google's form as Markdown; examples become blocks of code."""
    lines, made = inspect.cleandoc(text or "").splitlines(), []
    is_code = is_section = is_example = False
    for line in lines:
        # What an example prints belongs to it, up to the next empty line.
        is_example = bool(line) and (is_example or line.startswith(">>> "))
        starts_code = is_example or (line.startswith("    ") and not is_section)
        if starts_code != is_code and (line or is_code):
            made += ["", "```python" if line.startswith(">>> ") else "```text"] if starts_code else ["```", ""]
            is_code = starts_code
        if section := _SECTION.match(line):
            is_section = True
            made += ["", f"*{section[1]}*", ""]
        elif is_section and (item := _ITEM.match(line)):
            made.append(f"- `{item['names']}`: {outside_code(item['text'])}")
        elif is_section and not line:
            is_section = False
            made.append("")
        else:
            made.append(line if is_code else ("  " if is_section else "") + outside_code(line.strip()))
    if is_code:
        made.append("```")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(made)).strip() + "\n"
