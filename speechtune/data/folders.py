"""Data sets that are one folder per label."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from speechtune.audio.files import SUFFIXES
from speechtune.data.clips import Clip, ClipSet, check_clip_label
from speechtune.data.speakers import fill_speakers
from speechtune.errors import ManifestError
from speechtune.labels import BACKGROUND_NOISE, UNKNOWN
from speechtune.names import look_alike_notes

_LAYOUT = "put the clips of each command in a folder of its name, such as DATA/yes/1.wav"


def load_folder(root: Path, speaker_pattern: str | None = None) -> ClipSet:
    """Read a folder that holds one folder of audio files per label; what lies deeper belongs to the label too.

    Hidden files and files that are not audio by their suffix are left out and counted in the notes.
    `_background_noise_` becomes the set's noise, `_unknown_` and `_silence_` are labels like others.

    Raises:
        ManifestError: no folder there, no label folders, or a label folder without audio or with an impossible name.
        ConfigError: the speaker pattern is of no use.
    """
    _check_is_folder(root)
    clips: list[Clip] = []
    noise: tuple[Path, ...] = ()
    entries = _entries(root)
    ignored = [path for path in entries if path.is_file()]
    label_folders = [path for path in entries if path.is_dir()]
    for folder in label_folders:
        label = check_clip_label(folder.name, str(folder))
        audio, others = _audio_below(folder)
        ignored += others
        if not audio:
            raise ManifestError(f"{folder}: label {label!r} has no clips{_what_else(others)}; add some or remove it")
        if label == BACKGROUND_NOISE:
            noise = tuple(audio)
        else:
            clips += [Clip(path=path, label=label) for path in audio]
    if not label_folders:
        raise ManifestError(f"{root}: holds no label folders{_what_else(ignored)}; {_LAYOUT}")
    if not clips:
        raise ManifestError(f"{root}: holds background noise and no clips; {_LAYOUT}")
    return _clip_set(root, clips, noise, ignored, speaker_pattern)


def load_unlabelled(root: Path, label: str = UNKNOWN) -> ClipSet:
    """Read every audio file in and below a folder as a clip of `label`; speakers only of Speech Commands names.

    Raises:
        ManifestError: no folder there, or no audio in it.
    """
    _check_is_folder(root)
    audio, others = _audio_below(root)
    if not audio:
        raise ManifestError(f"{root}: holds no audio files{_what_else(others)}")
    clips = [Clip(path=path, label=label) for path in audio]
    return _clip_set(root, clips, (), others, None)


def _clip_set(
    root: Path, clips: list[Clip], noise: tuple[Path, ...], ignored: list[Path], speaker_pattern: str | None
) -> ClipSet:
    def name_of(clip: Clip) -> str:
        parts = clip.path.relative_to(root).with_suffix("").parts
        return "/".join(parts[1:] or parts)

    filled, notes = fill_speakers(clips, speaker_pattern, name_of)
    if ignored:
        notes = (*notes, f"left out: {len(ignored)} files{_what_else(ignored)}")
    notes = (*notes, *look_alike_notes({clip.label for clip in filled}))
    return ClipSet(root, filled, noise, notes)


def _check_is_folder(root: Path) -> None:
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "is not there"
        raise ManifestError(f"{root}: {problem}; name a folder with one folder per label, or a manifest (.jsonl, .csv)")


def _audio_below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Audio files, sorted, and the other files that are not hidden."""
    audio: list[Path] = []
    others: list[Path] = []
    for path in _walk(folder):
        (audio if path.suffix.lower() in SUFFIXES else others).append(path)
    return sorted(audio), others


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    raise ManifestError(f"{error.filename}: cannot be read ({error.strerror or error})") from error


def _what_else(others: list[Path]) -> str:
    """What was found in place of clips, for a message: ' (2 × .txt, 1 × .wav)'."""
    counts = Counter(path.suffix.lower() or "no suffix" for path in others)
    return f" ({', '.join(f'{count} × {suffix}' for suffix, count in sorted(counts.items()))})" if counts else ""
