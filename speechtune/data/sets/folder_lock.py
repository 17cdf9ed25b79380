"""One recorder at a time in a data folder: two would each write the manifest without the other's clips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from speechtune.errors import ManifestError
from speechtune.file_locks import held

_LOCK_NAME = ".recording.lock"


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """While it lasts nobody else gets past here with this folder, which is made if need be.

    Raises:
        ManifestError: somebody else is at it, or the folder cannot be made or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ManifestError(f"{folder}: cannot be made or written ({error.strerror}); name another one") from error
    with ExitStack() as stack:
        try:
            stack.enter_context(held(folder / _LOCK_NAME, wait_seconds=0.0))
        except TimeoutError as error:
            raise ManifestError(
                f"{folder}: somebody else is recording into it; wait until they are done, or name another folder"
            ) from error
        except OSError as error:
            raise ManifestError(
                f"{folder}: cannot be locked ({error.strerror or error}); record into a folder that you may write to, "
                "on this machine's own disk"
            ) from error
        yield
