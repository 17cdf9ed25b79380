"""Archives of data sets: their sums are checked and they are unpacked, and both goes on where it was interrupted."""

from __future__ import annotations

import functools
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from speechtune.data.sets.clips import content_hash
from speechtune.errors import ManifestError
from speechtune.file_locks import FOREVER, held
from speechtune.whole_files import write_whole

_MARK = ".unpacked"
"""Holds the sum of the archive that was unpacked; written last."""
_BEGUN_MARK = ".unpacking"
"""Holds the sum of the archive that is being unpacked, or was when that was interrupted."""

_LOCK = ".unpacking.lock"


class Published(NamedTuple):
    """What whoever published an archive says of it; `num_bytes` None: only the sum."""

    sha256: str
    num_bytes: int | None = None


class _Member(NamedTuple):
    name: str
    num_bytes: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def unpacked(source: Path, folder: Path, published: Mapping[str, Published], sha256: str | None = None) -> Path:
    """The folder with the content of `source`: itself if it is a folder, else `folder`, where it is unpacked to.

    Files that are there in their full length are not written again, unless another archive was unpacked there; after a
    whole unpacking nothing is.

    Args:
        source: a folder, or an archive (.tar, .tar.gz, .tgz, .zip).
        folder: where an archive is unpacked to.
        published: what is published of archives, by their names.
        sha256: the sum that the archive must have; none: the published one, if there is one.

    Raises:
        ManifestError: not the archive that was published, damaged, not an archive, or it cannot be written.
    """
    if source.is_dir():
        return source
    digest = _checked(source, published.get(source.name), sha256)
    try:
        if _marked(folder / _MARK) == digest:
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder / _LOCK, FOREVER):
            _unpack(source, folder, digest)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ManifestError(f"{source}: not a whole archive ({error}); download it again") from error
    except OSError as error:
        raise ManifestError(f"{error.filename or source}: cannot be unpacked ({error.strerror or error})") from error
    return folder


def _unpack(source: Path, folder: Path, digest: str) -> None:
    """Unpack, unless whoever held the lock before has done it."""
    mark, begun = folder / _MARK, folder / _BEGUN_MARK
    if _marked(mark) == digest:
        return
    keep = (_marked(begun) or _marked(mark) or digest) == digest
    write_whole(begun, f"{digest}\n")
    mark.unlink(missing_ok=True)
    with _members(source) as members:
        for member in members:
            _write(member, folder, source, keep)
    os.sync()  # the mark must not outlive the files through a loss of power
    write_whole(mark, f"{digest}\n")
    begun.unlink()


def _marked(mark: Path) -> str | None:
    """The sum in a mark; None without one."""
    return mark.read_text(encoding="utf-8").strip() if mark.is_file() else None


def _checked(archive: Path, published: Published | None, sha256: str | None) -> str:
    """The sum of an archive, which is the one it should have, if it should have one."""
    if not archive.is_file():
        raise ManifestError(f"{archive}: is not there; name the archive, or the folder that it was unpacked to")
    num_bytes = archive.stat().st_size
    if sha256 is None and published is not None and published.num_bytes not in (None, num_bytes):
        raise ManifestError(
            f"{archive}: has {num_bytes} of {published.num_bytes} bytes; go on with its download, or repeat it"
        )
    wanted = sha256 or (published and published.sha256)
    digest = content_hash(archive)
    if wanted is None:
        print(f"note: no sum of {archive.name} is published; its SHA-256 is {digest}, --sha256 would check it")
    elif digest != wanted.lower():
        raise ManifestError(f"{archive}: its SHA-256 is {digest}, it should be {wanted}; download it again")
    return digest


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    """The regular files of an archive, in its order; each is opened before the next one is asked for."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            infos = (info for info in zipped.infolist() if not info.is_dir())
            yield (_Member(info.filename, info.file_size, functools.partial(zipped.open, info)) for info in infos)
    else:
        with tarfile.open(archive, "r|*") as tape:
            yield _of_tape(tape, archive)


def _of_tape(tape: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    for info in tape:
        content = tape.extractfile(info) if info.isfile() else None
        if content is not None:
            yield _Member(info.name, info.size, functools.partial(_as_it_is, content))
        elif not info.isdir():
            raise ManifestError(f"{archive}: holds {info.name!r}, which is neither file nor folder; do not trust it")


def _as_it_is(content: IO[bytes]) -> IO[bytes]:
    return content


def _write(member: _Member, folder: Path, archive: Path, keep: bool) -> None:
    inside = PurePosixPath(member.name)
    if inside.is_absolute() or ".." in inside.parts:
        raise ManifestError(f"{archive}: holds {member.name!r}, which lies outside of it; do not trust it")
    path = folder.joinpath(*inside.parts)
    if keep and path.is_file() and path.stat().st_size == member.num_bytes:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    try:
        with member.open() as content, beside.open("wb") as file:
            shutil.copyfileobj(content, file)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
