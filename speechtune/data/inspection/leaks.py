"""What two sides of a split share and must not: people, sessions, recordings, contents."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speechtune.data.sets.clips import Clip, content_hash
from speechtune.errors import UnreadableAudioError

LeakKind = Literal["speaker", "session", "recording", "content", "copy"]


@dataclass(frozen=True)
class Leak:
    """Something that is on both sides of a split.

    Attributes:
        kind: what is shared; `recording` is one file, or files cut from one; `content` several files with the same
            bytes, `copy` several that sound the same, which only an inspection finds.
        what: the speaker, the session, the path or the hash.
        train, test: the clips of either side that share it.
    """

    kind: LeakKind
    what: str
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]


def find_leaks(train: Sequence[Clip], test: Sequence[Clip]) -> tuple[Leak, ...]:
    """Speakers, sessions, recordings and contents that both sides share, by kind and name.

    Raises:
        UnreadableAudioError: a file cannot be read.
    """
    hash_of = _hashes_of_equal_sizes({clip.path for clip in [*train, *test]})
    keys: dict[LeakKind, Callable[[Clip], str | None]] = {
        "speaker": lambda clip: clip.speaker,
        "session": lambda clip: clip.session,
        "recording": lambda clip: os.path.abspath(clip.recording),
        "content": lambda clip: hash_of.get(clip.path),
    }
    leaks: list[Leak] = []
    for kind, key in keys.items():
        left, right = _by_key(train, key), _by_key(test, key)
        leaks += [Leak(kind, what, left[what], right[what]) for what in sorted(left.keys() & right.keys())]
    return tuple(leak for leak in leaks if leak.kind != "content" or _several_files(leak))


def _several_files(leak: Leak) -> bool:
    """Whether a shared content is more than one file shared, which is a shared recording already."""
    return len({clip.path for clip in (*leak.train, *leak.test)}) > 1


def _hashes_of_equal_sizes(paths: set[Path]) -> dict[Path, str]:
    """Content hashes of the files that share their size with another; the others cannot be copies and are not read."""
    try:
        size_of = {path: path.stat().st_size for path in paths}
    except OSError as error:
        raise UnreadableAudioError(f"{error.filename}: cannot be read ({error.strerror or error})") from error
    num_of_size = Counter(size_of.values())
    return {path: content_hash(path) for path, size in size_of.items() if num_of_size[size] > 1}


def _by_key(clips: Sequence[Clip], key: Callable[[Clip], str | None]) -> dict[str, tuple[Clip, ...]]:
    members: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        if (name := key(clip)) is not None:
            members[name].append(clip)
    return {name: tuple(group) for name, group in members.items()}
