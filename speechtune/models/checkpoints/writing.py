"""Puts a checkpoint's folder in its place, whole or not at all: it is written beside the place and moved there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from speechtune.errors import ConfigError
from speechtune.file_locks import held, lock_beside
from speechtune.models.checkpoints.files import FILES
from speechtune.models.checkpoints.places import PARTIAL, REPLACED, clear_leftovers, exchanged, writer_alive
from speechtune.models.encoders.bounds import DESCRIPTION_FILE
from speechtune.whole_files import why_not_writable


def check_destination(folder: Path) -> None:
    """Refuse a place that `writing_checkpoint` would refuse; ask before the work, not after it.

    What writers that were killed have left beside it is put back or cleared away first.

    Raises:
        ConfigError: a file is there or on the way, a folder with anything in it that does not belong to a checkpoint,
            or nothing may be written there.
    """
    clear_leftovers(folder.resolve())
    # The new folder is made beside the old one, so that the parent must be writable.
    if folder.is_file() or (reason := why_not_writable(folder.absolute().parent)):
        reason = f"{folder} is a file" if folder.is_file() else reason
        raise ConfigError(f"checkpoint {folder}: cannot be written there ({reason}); choose another --out")
    try:
        present = {entry.name for entry in folder.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(
            f"checkpoint {folder}: cannot be written there ({error.strerror}); choose another --out"
        ) from error
    if foreign := sorted(present - FILES):
        raise ConfigError(
            f"checkpoint {folder}: would be replaced, and {foreign[0]!r} in it is not part of a checkpoint; "
            "choose another --out"
        )
    if present and DESCRIPTION_FILE not in present:
        raise ConfigError(f"checkpoint {folder}: is not empty and not a checkpoint; choose another --out")


@contextmanager
def writing_checkpoint(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`; when the block ends well, it takes the place of `folder`.

    An older checkpoint there stays until the new one is whole, and at every moment one of them is there, unless the
    system cannot exchange folders; see `checkpoint_places`. When the block fails, nothing is left behind.

    Raises:
        ConfigError: as for `check_destination`, or the place cannot be written to.
    """
    folder = folder.resolve()
    check_destination(folder)
    staging = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{PARTIAL}")
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(writer_alive(staging))
            staging.mkdir()
        except OSError as error:
            raise ConfigError(
                f"checkpoint {folder}: cannot be written there ({error}); choose another --out"
            ) from error
        try:
            yield staging
            for path in [*staging.iterdir(), staging]:
                _flush_to_disk(path)
            _take_place(staging, folder)
            _flush_to_disk(folder.parent)
        except OSError as error:
            raise ConfigError(f"checkpoint {folder}: cannot be written ({error})") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _flush_to_disk(path: Path) -> None:
    """After it, a loss of power does not lose what was written; a folder is flushed for the names in it."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders, and looks after the names by itself
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_place(staging: Path, folder: Path) -> None:
    """Put the new folder at the place; what was there before goes, or is what was prepared and goes with it."""
    if folder.exists() and exchanged(staging, folder):
        return
    with _alone(folder):
        if not folder.exists():
            staging.rename(folder)
        elif not exchanged(staging, folder):
            _move_in_two_steps(staging, folder)


def _move_in_two_steps(staging: Path, folder: Path) -> None:
    """The old folder, which is in the way of a plain move, steps aside, and back if that fails."""
    aside = staging.with_suffix(REPLACED)
    folder.rename(aside)
    try:
        staging.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for other writers of `folder` that move in two steps as well."""
    lock = lock_beside(folder)
    with held(lock):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # whoever waits for it sees that it has gone, and takes a new one
