"""A manifest as a table, as people's programs write one: commas, semicolons or tabs, and what Excel adds."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from speechtune.errors import ManifestError
from speechtune.ordinary_files import open_ordinary

_DELIMITERS = (",", ";", "\t")
_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"PK\x03\x04", "Excel"), (b"\xd0\xcf\x11\xe0", "Excel"))


def read_table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file by their columns, each with the number of its last line; empty cells are left out.

    Columns are told apart by commas, semicolons or tabs, whichever the header has. Known names are taken in any case.
    Rows without anything in them, as under an Excel table, are passed over, and so are empty columns at the end.

    Raises:
        ManifestError: it cannot be read, is no such table, or lacks a column; the message names file and line.
    """
    lines = iter(text_lines(path))
    names: list[str] | None = None
    number, first = 0, ""
    for number, first in lines:  # noqa: B007  (the number is that of the header, below)
        if first.strip().strip('"').lower().startswith("sep="):  # for Excel alone: which delimiter to take
            continue
        if first.strip().strip(",;\t"):
            break
    rest = (text for _, text in _again(number, first, lines))
    reader = csv.reader(rest, delimiter=_delimiter(first), strict=True)
    before = number - 1
    try:
        for row in reader:
            here = before + reader.line_num
            if not any(cell.strip() for cell in row):
                continue
            if names is None:
                names = _checked_header(row, path, here)
                continue
            yield here, _cells(names, row, f"{path}, line {here}")
    except csv.Error as error:
        raise ManifestError(f"{path}, line {before + reader.line_num}: not CSV ({error}); correct the line") from error


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file in UTF-8, numbered from 1.

    Raises:
        ManifestError: it cannot be read, or is not UTF-8; the message names file and line.
    """
    number = 0
    try:
        with open_ordinary(path) as file:
            for number, line in enumerate(file, start=1):
                if number == 1:
                    _refuse_other_files(path, line)
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}, line {number}: not UTF-8 ({error.reason}); save the file as UTF-8") from error
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror or error})") from error


def _refuse_other_files(path: Path, begin: bytes) -> None:
    for mark, what in _MARKS:
        if begin.startswith(mark):
            raise ManifestError(f"{path}: is {what}, not text in UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)")


def _again(number: int, first: str, rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    if number:
        yield number, first
    yield from rest


def _delimiter(header: str) -> str:
    """The one that tells most columns of the header apart; of equals the first."""
    return max(_DELIMITERS, key=header.count)


def _cells(names: list[str], row: list[str], where: str) -> dict[str, str]:
    """One row; cells beyond the header are left out as long as nothing is in them."""
    if len(row) < len(names) or any(cell.strip() for cell in row[len(names) :]):
        raise ManifestError(
            f"{where}: has {len(row)} cells, the header has {len(names)}; put cells that hold a comma into quotes"
        )
    return {name: cell for name, cell in zip(names, row, strict=False) if cell.strip() and name}


def _checked_header(row: list[str], path: Path, number: int) -> list[str]:
    names = [cell.strip() for cell in row]
    names = [name if name.startswith("x_") else name.lower() for name in names]
    while names and not names[-1]:
        names.pop()
    if missing := {"path", "label"}.difference(names):
        raise ManifestError(
            f"{path}, line {number}: the header lacks {' and '.join(sorted(missing))}; "
            "the first line names the columns, for example path,label,speaker"
        )
    if len(set(names)) != len(names):
        raise ManifestError(f"{path}, line {number}: the header names a column twice")
    return names
