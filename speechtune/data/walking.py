"""What lies in and below a folder: audio, other files, and what is neither for anybody to read."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from speechtune.audio.containers import CONTAINER_SUFFIXES, conversion
from speechtune.audio.files import SUFFIXES
from speechtune.errors import ManifestError
from speechtune.ordinary_files import odd_kind

_OF_SYSTEMS = frozenset(
    {
        "__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "recycler", "recycled",
        "system volume information", "lost+found", "__pycache__", "network trash folder", "temporary items",
    }
)  # fmt: skip
"""Folders that systems and programs make beside the user's own; hidden ones are passed over anyway."""


@dataclass
class FoundFiles:
    """Files, each list in its order.

    Attributes:
        audio: by their suffix, sorted.
        others: ordinary files that are not.
        odd: named like audio, and no ordinary files: pipes, sockets, devices.
        of_systems: folders that were not looked into.
    """

    audio: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    odd: list[Path] = field(default_factory=list)
    of_systems: list[Path] = field(default_factory=list)

    def take(self, path: Path) -> None:
        """Sort a file in."""
        if odd_kind(path) is not None:
            self.odd.append(path)
        else:
            (self.audio if path.suffix.lower() in SUFFIXES else self.others).append(path)

    def add(self, more: FoundFiles) -> None:
        """Take what is left out of another folder too."""
        self.others += more.others
        self.odd += more.odd
        self.of_systems += more.of_systems

    def notes(self) -> tuple[str, ...]:
        """What was left out, one sentence each."""
        notes = [f"left out: {len(self.others)} files{what_else(self.others)}"] if self.others else []
        if self.odd:
            odd = ", ".join(f"{path.name} ({odd_kind(path)})" for path in sorted(self.odd, key=lambda path: path.name))
            notes.append(f"left out, for they are no ordinary files: {odd}")
        if self.of_systems:
            names = ", ".join(sorted({path.name for path in self.of_systems}))
            notes.append(f"left out, for systems make such folders and users do not: {names}")
        return tuple(notes)


def is_of_a_system(name: str) -> bool:
    """Whether a folder of this name is no user's."""
    return name.lower() in _OF_SYSTEMS


def files_below(folder: Path) -> FoundFiles:
    """What is not hidden in and below a folder.

    Raises:
        ManifestError: a folder cannot be read.
    """
    found = FoundFiles()
    for parent, folders, names in os.walk(folder, onerror=refuse):
        found.of_systems += [Path(parent, name) for name in folders if is_of_a_system(name)]
        folders[:] = [name for name in folders if not name.startswith(".") and not is_of_a_system(name)]
        for name in names:
            if not name.startswith("."):
                found.take(Path(parent, name))
    found.audio.sort()
    return found


def refuse(error: OSError) -> NoReturn:
    """Raise that a folder cannot be read, as ManifestError."""
    raise ManifestError(f"{error.filename}: cannot be read ({error.strerror or error})") from error


def what_else(others: list[Path]) -> str:
    """What was found in place of clips, for a message: ' (2 × .txt, 1 × .wav)'."""
    counts = Counter(path.suffix.lower() or "no suffix" for path in others)
    if not counts:
        return ""
    listed = ", ".join(f"{count} × {suffix}" for suffix, count in sorted(counts.items()))
    foreign = sorted(path for path in others if path.suffix.lower() in CONTAINER_SUFFIXES)
    return f" ({listed}{f'; convert them: {conversion(str(foreign[0]))}' if foreign else ''})"
