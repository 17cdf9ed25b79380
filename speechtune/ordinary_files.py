"""Opening files that others name: a pipe waits for its writer for ever, and a device may do anything."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def odd_kind(path: Path) -> str | None:
    """What lies at `path` in place of an ordinary file, such as `a pipe`; None: an ordinary file, or nothing."""
    try:
        return _odd_kind(os.stat(path).st_mode)
    except OSError:
        return None


def open_ordinary(path: Path) -> BinaryIO:
    """Open an ordinary file for reading its bytes.

    Raises:
        OSError: it cannot be opened, or is no ordinary file; then it was not opened either.
    """
    _check(path, os.stat(path).st_mode)
    # It may have been exchanged since: a pipe is opened without waiting then, and closed again.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_ordinary(path: Path) -> bytes:
    """The bytes of an ordinary file; errors as for `open_ordinary`."""
    with open_ordinary(path) as file:
        return file.read()


def _check(path: Path, mode: int) -> None:
    if (kind := _odd_kind(mode)) is not None:
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, f"it is {kind}, not an ordinary file; leave it out", str(path))


def _odd_kind(mode: int) -> str | None:
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "something else")
