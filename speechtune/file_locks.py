"""A lock between processes, for files that more than one of them writes.

A list that is read, changed and written again loses what another process wrote in between, even where each writing is
whole. Whoever changes such a file holds its lock from the reading to the writing.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

FOREVER = -1.0
"""Seconds to wait for a lock whose holder may take as long as it needs."""


def lock_beside(path: Path) -> Path:
    """The file that the lock of `path` is: hidden, beside it.

    >>> lock_beside(Path("data/list.txt")).as_posix()
    'data/.list.txt.lock'
    """
    return path.with_name(f".{path.name}.lock")


@contextmanager
def held(lock: Path, wait_seconds: float = 60.0) -> Iterator[None]:
    """Hold the lock file `lock`, whose folder must be there.

    The system gives the lock back however the process ends, so that none is ever left over; its file stays, empty, for
    whoever removed it could take it away from under somebody who waits.

    Args:
        lock: a file that is made for this and nothing else.
        wait_seconds: how long to wait for somebody else to let go; 0: not at all.

    Raises:
        TimeoutError: somebody else holds it.
        OSError: it cannot be made or locked.
    """
    if not lock.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(lock.parent))
    acquired = FileLock(lock, timeout=wait_seconds)
    try:
        acquired.acquire()
    except Timeout as error:
        raise TimeoutError(f"{lock}: held by another process for more than {wait_seconds:g} s") from error
    try:
        yield
    finally:
        acquired.release()
