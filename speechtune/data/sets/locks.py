"""Clips that no later command may train on, known by their content, wherever the files lie.

A test split is worth something as long as nothing was trained on it. The list of locked clips is a file of this user,
not of the data set: a copy of a locked clip in another folder, under another name, is refused too, and so is one that
was written again in another format, at another level or through most codecs, for it sounds the same.

A line of the list is a hash of the content, `sound:` and a fingerprint of the sound, and a name to tell it by. Silence
and `_silence_` have no fingerprint (two cuts of one background may be nearly the same), and lists of older versions
have none: such clips are known by their bytes alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechtune.audio.fingerprint import (
    MAX_SAMPLES,
    SoundPrint,
    difference,
    fingerprint_sound,
    print_from_text,
    print_to_text,
)
from speechtune.audio.stretches import count_samples, read_stretch
from speechtune.data.sets.clips import Clip, content_hashes, read_clip
from speechtune.errors import DataError, ManifestError
from speechtune.file_locks import held, lock_beside
from speechtune.labels import SILENCE
from speechtune.whole_files import write_whole

_HASH_CHARACTERS = 64
_SOUND = "sound:"
# Of 3,000 spoken digits and 1,976 words no two come nearer than 0.17 unless their samples are equal; copies as FLAC and
# WAV, at a tenth of the level or shifted, differ by 0.11 at most, nineteen of twenty through Vorbis by less than 0.14,
# through Opus by less than 0.16.
_MAX_DIFFERENCE = 0.15
_MAX_DISTANCE = 6.0  # of shapes: saves comparing what cannot be the same


def lock_file() -> Path:
    """Where the list is: `$SPEECHTUNE_LOCKS`, else `speechtune/locked_clips.txt` in the user's data folder."""
    if named := os.environ.get("SPEECHTUNE_LOCKS"):
        return Path(named)
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "speechtune" / "locked_clips.txt"


class _Locked(NamedTuple):
    """One line of the list, but for its hash; `sound` is None where only bytes are known."""

    sound: SoundPrint | None
    name: str

    def line(self, digest: str) -> str:
        sound = "" if self.sound is None else f"{_SOUND}{print_to_text(self.sound)} "
        return f"{digest} {sound}{self.name}".rstrip()


def lock_clips(clips: Sequence[Clip], path: Path | None = None) -> int:
    """Add clips to the list, for good; return how many were not on it.

    A clip that an older version locked by its bytes alone is henceforth known by its sound too. Processes that lock at
    the same time wait for each other, and lose nothing.

    Raises:
        ManifestError: the list is broken or cannot be written.
        AudioError: a clip cannot be read.
    """
    path = path or lock_file()
    known = _read(path)
    # The audio is read before the list is held: others wait for a writing, not for a data set.
    fresh = {
        digest: _Locked(_sound_of(clip), f"{clip.label}/{clip.path.name}")
        for digest, clip in zip(content_hashes(clips), clips, strict=True)
        if digest not in known or known[digest].sound is None
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(lock_beside(path)):
            locked = _read(path)
            num_before = len(locked)
            locked |= fresh
            lines = [one.line(digest) for digest, one in locked.items()]
            write_whole(path, "".join(f"{' '.join(line.splitlines())}\n" for line in lines))
    except OSError as error:
        raise ManifestError(f"{path}: cannot be written ({error.strerror or error}); see SPEECHTUNE_LOCKS") from error
    return len(locked) - num_before


def refuse_locked(clips: Sequence[Clip], path: Path | None = None) -> None:
    """Refuse clips to train on of which any is locked; reads no audio where nothing is locked.

    Raises:
        DataError: some are locked; the message names one, where the list is and what to do.
        ManifestError: the list is broken.
        AudioError: a clip cannot be read.
    """
    path = path or lock_file()
    locked = _read(path)
    if not locked:
        return
    sounds = _Sounds([one.sound for one in locked.values() if one.sound is not None])
    hits = [
        clip for clip, digest in zip(clips, content_hashes(clips), strict=True) if digest in locked or sounds.hold(clip)
    ]
    if hits:
        raise DataError(
            f"{hits[0].path}: one of {len(hits)} clips of a locked test split ({path}); leave them out of training, "
            "for example with a manifest that declares their split, or no score on them can be believed"
        )


def _sound_of(clip: Clip) -> SoundPrint | None:
    if clip.label == SILENCE:
        return None
    start, end = clip.stretch
    end = count_samples(clip.path) if end is None else end
    is_long = end - start > MAX_SAMPLES  # perhaps hours, of which the first seconds tell
    return fingerprint_sound(read_stretch(clip.path, start, start + MAX_SAMPLES) if is_long else read_clip(clip))


class _Sounds:
    """The sounds of locked clips."""

    def __init__(self, known: Sequence[SoundPrint]) -> None:
        self._known = known
        self._shapes = np.array([one.shape for one in known])

    def hold(self, clip: Clip) -> bool:
        """Whether a clip is one of them, written again."""
        if not self._known or (sound := _sound_of(clip)) is None:
            return False
        near = np.flatnonzero(np.square(self._shapes - sound.shape).sum(axis=1) <= _MAX_DISTANCE**2)
        return any(difference(self._known[int(place)], sound) <= _MAX_DIFFERENCE for place in near)


def _read(path: Path) -> dict[str, _Locked]:
    """Content hash of every locked clip, and what else is known of it; empty without a list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: the list of locked clips cannot be read ({error})") from error
    locked: dict[str, _Locked] = {}
    for number, line in enumerate(lines, start=1):
        digest, _, rest = line.partition(" ")
        if len(digest.partition("[")[0]) != _HASH_CHARACTERS:
            raise ManifestError(f"{path}, line {number}: not a clip's hash; correct or remove the line")
        locked[digest] = _parsed(rest, f"{path}, line {number}")
    return locked


def _parsed(rest: str, where: str) -> _Locked:
    if not rest.startswith(_SOUND):
        return _Locked(None, rest)
    text, _, name = rest.removeprefix(_SOUND).partition(" ")
    try:
        return _Locked(print_from_text(text), name)
    except ValueError as error:
        raise ManifestError(f"{where}: its sound cannot be read ({error}); correct or remove the line") from error
