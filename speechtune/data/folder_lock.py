"""One recorder at a time in a data folder: two would each write the manifest without the other's clips."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from speechtune.errors import ManifestError

_LOCK_NAME = ".recording.lock"

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """While it lasts nobody else gets past here with this folder, which is made if need be.

    The system gives the lock back however the process ends, so that none is ever left over; its file stays, empty.

    Raises:
        ManifestError: somebody else is at it, or the folder cannot be made or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK_NAME).open("ab")
    except OSError as error:
        raise ManifestError(f"{folder}: cannot be made or written ({error.strerror}); name another one") from error
    with file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            raise ManifestError(
                f"{folder}: somebody else is recording into it; wait until they are done, or name another folder"
            ) from error
        except OSError as error:
            raise ManifestError(
                f"{folder}: cannot be locked ({error.strerror}); record into a folder on this machine's own disk"
            ) from error
        yield
