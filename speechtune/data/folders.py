"""Data sets that are one folder per label."""

from __future__ import annotations

from pathlib import Path

from speechtune.data.clips import Clip, ClipSet, check_clip_label
from speechtune.data.speakers import fill_speakers
from speechtune.data.walking import FoundFiles, files_below, is_of_a_system, refuse, what_else
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
    left_out, label_folders = _entries(root)
    for folder in label_folders:
        label = check_clip_label(folder.name, str(folder))
        found = files_below(folder)
        audio = found.audio
        left_out.add(found)
        if not audio:
            raise ManifestError(f"{folder}: label {label!r} has no clips{_in_place(found)}; add some or remove it")
        if label == BACKGROUND_NOISE:
            noise = tuple(audio)
        else:
            clips += [Clip(path=path, label=label) for path in audio]
    if not label_folders:
        raise ManifestError(f"{root}: holds no label folders{_in_place(left_out)}; {_LAYOUT}")
    if not clips:
        raise ManifestError(f"{root}: holds background noise and no clips; {_LAYOUT}")
    return _clip_set(root, clips, noise, left_out, speaker_pattern)


def load_unlabelled(root: Path, label: str = UNKNOWN) -> ClipSet:
    """Read every audio file in and below a folder as a clip of `label`; speakers only of Speech Commands names.

    Raises:
        ManifestError: no folder there, or no audio in it.
    """
    _check_is_folder(root)
    found = files_below(root)
    if not found.audio:
        raise ManifestError(f"{root}: holds no audio files{_in_place(found)}")
    clips = [Clip(path=path, label=label) for path in found.audio]
    return _clip_set(root, clips, (), found, None)


def _clip_set(
    root: Path, clips: list[Clip], noise: tuple[Path, ...], left_out: FoundFiles, speaker_pattern: str | None
) -> ClipSet:
    def name_of(clip: Clip) -> str:
        parts = clip.path.relative_to(root).with_suffix("").parts
        return "/".join(parts[1:] or parts)

    filled, notes = fill_speakers(clips, speaker_pattern, name_of)
    notes = (*notes, *left_out.notes(), *look_alike_notes({clip.label for clip in filled}))
    return ClipSet(root, filled, noise, notes)


def _check_is_folder(root: Path) -> None:
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "is not there"
        raise ManifestError(f"{root}: {problem}; name a folder with one folder per label, or a manifest (.jsonl, .csv)")


def _entries(folder: Path) -> tuple[FoundFiles, list[Path]]:
    """What lies directly in a folder: files, which belong to no label, and the folders of labels."""
    left_out = FoundFiles()
    label_folders: list[Path] = []
    try:
        for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
            if not path.is_dir():
                left_out.take(path)
            elif is_of_a_system(path.name):
                left_out.of_systems.append(path)
            else:
                label_folders.append(path)
    except OSError as error:
        refuse(error)
    left_out.others += left_out.audio
    left_out.audio = []
    return left_out, label_folders


def _in_place(found: FoundFiles) -> str:
    """What was found in place of clips, for a message."""
    odd = f", and {len(found.odd)} that are no ordinary files" if found.odd else ""
    return what_else(found.others) + odd
