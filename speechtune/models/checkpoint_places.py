"""The place of a checkpoint while writers replace it: exchange in one step, recovery, and reading without a mixture.

A writer prepares `.NAME.XXXXXXXX.partial` beside the place, and holds `.NAME.XXXXXXXX.lock` for as long as it lives.
Where the system can, the two folders are exchanged in one step. Elsewhere the old one steps aside for a moment, as
`.NAME.XXXXXXXX.replaced`; a writer that is killed in that moment leaves nothing at the place, and whoever comes next
puts the new one there, which is whole by then.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from speechtune.file_locks import held, lock_beside
from speechtune.ordinary_files import open_ordinary

PARTIAL, REPLACED, LOCK = ".partial", ".replaced", ".lock"

_HEX = "[0-9a-f]"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NOT_POSSIBLE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.ENOTSUP})
_NUM_ATTEMPTS = 100
_PAUSE_SECONDS = 0.01

_log = logging.getLogger(__name__)


def exchanged(one: Path, other: Path) -> bool:
    """Let two folders take each other's place in one step; False: this system or disk cannot do that.

    Raises:
        OSError: it can, and it failed.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_POSSIBLE:
        return False
    raise OSError(number, os.strerror(number), str(other))


@contextmanager
def writer_alive(staging: Path) -> Iterator[None]:
    """Let others see, for as long as it lasts, that what is prepared in `staging` is not left over.

    Raises:
        OSError: the folder beside it cannot be written to.
    """
    lock = staging.with_suffix(LOCK)
    try:
        with held(lock):
            yield
    finally:
        lock.unlink(missing_ok=True)


def clear_leftovers(folder: Path) -> None:
    """Remove what killed writers of `folder` left beside it, after what only they had was put back; says so in the log.

    What a living writer prepares stays.
    """
    _restore(folder)
    for path in _leftovers(folder, PARTIAL, REPLACED):
        with _of_killed_writer(path) as is_left_over:
            if is_left_over and path.exists():  # else its writer has ended in this moment
                shutil.rmtree(path, ignore_errors=True)
                _log.warning("%s: removed, a writer that was killed had left it there", path)
    for lock in (lock_beside(folder), *folder.parent.glob(f"{glob.escape(f'.{folder.name}.')}{_HEX * 8}{LOCK}")):
        if lock.is_file():
            with _of_killed_writer(lock):
                """It is removed where nobody holds it."""


@contextmanager
def opened_together(folder: Path, names: Iterable[str]) -> Iterator[dict[str, BinaryIO | OSError]]:
    """The files of these names in `folder`, open, all of one checkpoint: also where it is being replaced right now.

    What is open stays readable when its folder has gone. In place of a file that cannot be opened stands the reason;
    what is no plain file, such as a pipe, is never waited for.
    """
    with ExitStack() as stack:
        files: dict[str, BinaryIO | OSError] = {}
        for _ in range(_NUM_ATTEMPTS):
            before = _identity(folder)
            if before is None and _restore(folder):
                continue
            files = {name: _opened(folder / name, stack) for name in names}
            is_being_replaced = before is None and _leftovers(folder, REPLACED)
            if _identity(folder) == before and not is_being_replaced:
                break
            stack.close()
            time.sleep(_PAUSE_SECONDS)
        yield files


def path_of(file: BinaryIO, path: Path) -> Path:
    """Where an open file can be read from by those who ask for a path, if it is not at `path` any more."""
    place = Path(f"/dev/fd/{file.fileno()}")
    return place if place.exists() else path


def _opened(path: Path, stack: ExitStack) -> BinaryIO | OSError:
    try:
        return stack.enter_context(open_ordinary(path))
    except OSError as error:
        return error


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder it is, whatever it is called; None where there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _restore(folder: Path) -> bool:
    """Put at the place what a writer was killed over, if there is nothing there; whether it did."""
    if folder.exists():
        return False
    for old in _leftovers(folder, REPLACED):
        with _of_killed_writer(old) as is_left_over:
            if not is_left_over or folder.exists():
                continue
            new = old.with_suffix(PARTIAL)
            source = new if new.is_dir() else old
            try:
                source.rename(folder)
            except OSError:  # somebody else was quicker, or may write there and we may not
                continue
            _log.warning("%s: put back out of %s, for a writer was killed while it replaced it", folder, source.name)
            return True
    return False


def _leftovers(folder: Path, *suffixes: str) -> list[Path]:
    """What writers prepare or have set aside beside `folder`."""
    endings = "|".join(map(re.escape, suffixes))
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.{_HEX}{{8}}({endings})")
    try:
        return sorted(path for path in folder.parent.iterdir() if pattern.fullmatch(path.name) and path.is_dir())
    except OSError:
        return []


@contextmanager
def _of_killed_writer(path: Path) -> Iterator[bool]:
    """Whether nobody prepares `path` any more; while it lasts nobody else clears it away either."""
    lock = path.with_suffix(LOCK)
    with ExitStack() as stack:
        try:
            stack.enter_context(held(lock, wait_seconds=0.0))
        except OSError:
            yield False
            return
        yield True
        with suppress(OSError):
            lock.unlink()
