"""What importers begin and end with: a folder or an archive to read, a manifest to write, an error as one line."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from data_scripts.archives import unpacked
from speechtune.data.sets.clips import ClipSet
from speechtune.data.sets.manifest import SUFFIXES, write_manifest
from speechtune.errors import ManifestError, SpeechTuneError


def add_source(parser: argparse.ArgumentParser, what: str) -> None:
    """Options `source`, `--unpack-to` and `--sha256`; `what` says what the folder or archive is."""
    parser.add_argument("source", type=Path, help=f"{what}: its folder, or its archive (.tar, .tar.gz, .zip)")
    parser.add_argument("--unpack-to", type=Path, help="folder for what an archive holds; otherwise beside the archive")
    parser.add_argument("--sha256", help="sum that the archive must have")


def source_folder(options: argparse.Namespace, inside: str) -> Path:
    """The folder that holds `inside`: the source itself, or the one in its archive, which is unpacked.

    Raises:
        ManifestError: the archive cannot be unpacked, or holds no or several such folders.
    """
    source: Path = options.source
    if source.is_dir():
        return source
    stem = source.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz").removesuffix(".zip")
    root = unpacked(source, options.unpack_to or source.with_name(f"{stem}-unpacked"), {}, options.sha256)
    found = sorted({path.parent for path in root.rglob(inside)})
    if len(found) != 1:
        raise ManifestError(f"{source}: holds {len(found)} folders with {inside!r}; unpack it, and name one of them")
    return found[0]


def file_inside(folder: Path, name: str, where: str) -> Path:
    """The file that a table names within a folder of its data set; `where` begins the message.

    Raises:
        ManifestError: the name leads out of the folder.
    """
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise ManifestError(f"{where}: names {name!r}, which lies outside of {folder}; do not trust it")
    return folder.joinpath(*inside.parts)


def finish_import(program: str, make: Callable[[], ClipSet], out: Path) -> int:
    """Make a clip set and write its manifest to `out`; 0 if it is there, 2 if the input is at fault.

    The manifest appears whole or not at all: an import that was interrupted is run again.
    """
    try:
        if out.suffix.lower() not in SUFFIXES:
            raise ManifestError(f"{out}: a manifest's name ends in .jsonl or .csv")  # before hours of unpacking
        clip_set = make()
        _make_folder(out.parent)
        write_manifest(out, clip_set)
    except SpeechTuneError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    counts = Counter(clip.split for clip in clip_set.clips)
    splits = "".join(f", {counts[split]} {split}" for split in ("train", "valid", "test") if counts[split])
    print(
        f"{out}: {len(clip_set.clips)} clips, {len(clip_set.labels)} labels, {len(clip_set.speakers)} speakers{splits}"
    )
    for note in clip_set.notes:
        print(f"note: {note}")
    return 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ManifestError(f"{folder}: cannot be made ({error.strerror}); name another place with --out") from error
