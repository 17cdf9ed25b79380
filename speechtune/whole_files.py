"""A file is there whole or not at all: it is written beside its place, then renamed.

Whoever reads the place at any moment, also after a crash or a loss of power, finds the old file or the new one.
"""

from __future__ import annotations

import glob
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

PUBLIC = 0o666
"""Readable as the process's mask says, like any other file."""
PRIVATE = 0o600
"""Readable by this user alone, whatever folder the file lies in."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@contextmanager
def writing_whole(path: Path, mode: int = PUBLIC) -> Iterator[BinaryIO]:
    """Give a file to write bytes to; when the block ends well, it takes the place of `path`.

    When the block fails nothing is left behind, and an older file stays. The folder must be there. From the first byte
    on nobody may do more with the file than `mode` says, less what the process's mask takes away.

    Raises:
        OSError: the place cannot be written to; callers say what it was for and what to do.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(beside, _NEW_FILE, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        if beside.parent.is_dir():
            beside.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> int:
    """Remove what a killed `writing_whole` left in and below a folder that nobody writes to now; return how many.

    Raises:
        OSError: one cannot be removed.
    """
    leftovers = [path for path in folder.rglob(".*.tmp") if _LEFTOVER.fullmatch(path.name) and path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def remove_leftovers_of(path: Path) -> list[Path]:
    """Remove what a killed `writing_whole` of `path`, which nobody writes now, left beside it; return what that was.

    Raises:
        OSError: one cannot be removed.
    """
    beside = path.parent.glob(f".{glob.escape(path.name)}.*.tmp")
    leftovers = [one for one in beside if _LEFTOVER.fullmatch(one.name) and one.is_file()]
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return leftovers


def write_whole(path: Path, content: bytes | str, mode: int = PUBLIC) -> None:
    """Write bytes, or text as UTF-8, in one go; `mode` as for `writing_whole`.

    Raises:
        OSError: as for `writing_whole`.
    """
    with writing_whole(path, mode) as file:
        file.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def write_together(folder: Path, contents: Mapping[str, str]) -> None:
    """Write several texts as UTF-8 into `folder`: name -> text. All take their places, or none does.

    Raises:
        OSError: as for `writing_whole`; a folder that was made for them is gone again.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            for name, text in contents.items():
                file = stack.enter_context(writing_whole(folder / name))
                file.write(text.encode(errors="backslashreplace"))
                file.flush()
                os.fsync(file.fileno())  # a full disk shows here, before the first one is in its place
    except (OSError, KeyboardInterrupt):
        if is_new:
            folder.rmdir()
        raise


@contextmanager
def writing_whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`; when the block ends well, it takes that name.

    What stands there must be an empty folder or nothing. When the block fails, nothing is left behind.

    Raises:
        OSError: it cannot be made, or cannot take its place.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield beside
        beside.chmod(0o755)  # mkdtemp's are private
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def why_not_writable(path: Path) -> str | None:
    """Why nothing can be written at `path` or on the way to it, as far as that can be told without trying; else None.

    >>> why_not_writable(Path("/dev/null/report"))
    '/dev/null is a file'
    """
    for place in (path.absolute(), *path.absolute().parents):
        if place.is_dir():
            return None if os.access(place, os.W_OK | os.X_OK) else f"{place} may not be written to"
        if place.exists() or place.is_symlink():
            return f"{place} is a file" if place.exists() else f"{place} leads nowhere"
    return None
