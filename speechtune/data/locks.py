"""Clips that no later command may train on, known by their content, wherever the files lie.

A test split is worth something as long as nothing was trained on it. The list of locked clips is a file of this user,
not of the data set: a copy of a locked clip in another folder, under another name, is refused too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from speechtune.data.clips import Clip, content_hashes
from speechtune.errors import DataError, ManifestError
from speechtune.whole_files import write_whole

_HASH_CHARACTERS = 64


def lock_file() -> Path:
    """Where the list is: `$SPEECHTUNE_LOCKS`, else `speechtune/locked_clips.txt` in the user's data folder."""
    if named := os.environ.get("SPEECHTUNE_LOCKS"):
        return Path(named)
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "speechtune" / "locked_clips.txt"


def lock_clips(clips: Sequence[Clip], path: Path | None = None) -> int:
    """Add clips to the list, for good; return how many were not on it.

    Raises:
        ManifestError: the list is broken or cannot be written.
        UnreadableAudioError: a clip cannot be read.
    """
    path = path or lock_file()
    locked = _read(path)
    new = {digest: clip for digest, clip in zip(content_hashes(clips), clips, strict=True) if digest not in locked}
    lines = [*(f"{digest} {name}".rstrip() for digest, name in locked.items())]
    lines += [f"{digest} {clip.label}/{clip.path.name}" for digest, clip in new.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, "".join(f"{' '.join(line.splitlines())}\n" for line in lines))
    except OSError as error:
        raise ManifestError(f"{path}: cannot be written ({error.strerror or error}); see SPEECHTUNE_LOCKS") from error
    return len(new)


def refuse_locked(clips: Sequence[Clip], path: Path | None = None) -> None:
    """Refuse clips to train on of which any is locked; reads no audio where nothing is locked.

    Raises:
        DataError: some are locked; the message names one, where the list is and what to do.
        ManifestError: the list is broken.
        UnreadableAudioError: a clip cannot be read.
    """
    path = path or lock_file()
    locked = _read(path)
    if not locked:
        return
    hits = [clip for clip, digest in zip(clips, content_hashes(clips), strict=True) if digest in locked]
    if hits:
        raise DataError(
            f"{hits[0].path}: one of {len(hits)} clips of a locked test split ({path}); leave them out of training, "
            "for example with a manifest that declares their split, or no score on them can be believed"
        )


def _read(path: Path) -> dict[str, str]:
    """Content hash and name of every locked clip; empty without a list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: the list of locked clips cannot be read ({error})") from error
    locked: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        digest, _, name = line.partition(" ")
        if len(digest.partition("[")[0]) != _HASH_CHARACTERS:
            raise ManifestError(f"{path}, line {number}: not a clip's hash; correct or remove the line")
        locked[digest] = name
    return locked
