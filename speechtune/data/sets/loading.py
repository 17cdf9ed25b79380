"""From what the user names, a folder or a manifest, to a clip set."""

from __future__ import annotations

from pathlib import Path

from speechtune.audio import files
from speechtune.data.sets.clips import ClipSet
from speechtune.data.sets.folders import load_folder, load_unlabelled
from speechtune.data.sets.manifest import MANIFEST_NAME, SUFFIXES, load_manifest
from speechtune.errors import ManifestError


def load_clips(path: Path, speaker_pattern: str | None = None) -> ClipSet:
    """Read a manifest (`.jsonl`, `.csv`), a folder that holds `manifest.jsonl`, or a folder of label folders.

    Args:
        path: the manifest or the folder.
        speaker_pattern: a regular expression that finds the speaker in file names, see `compile_speaker_pattern`.

    Raises:
        ManifestError: nothing there, or not of the form; the message names file and line, or folder and label.
        ConfigError: the speaker pattern is of no use.
    """
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return load_manifest(path, speaker_pattern)
    if path.is_file():
        raise ManifestError(f"{path}: neither a folder nor a manifest (.jsonl, .csv)")
    if (path / MANIFEST_NAME).is_file():
        return load_manifest(path / MANIFEST_NAME, speaker_pattern)
    return load_folder(path, speaker_pattern)


def load_negatives(path: Path) -> ClipSet:
    """Read recordings that hold no keyword: as `load_clips`, and a folder that holds audio directly is all `_unknown_`.

    Raises:
        ManifestError: as `load_clips`.
    """
    if path.is_dir() and not (path / MANIFEST_NAME).is_file() and _holds_audio(path):
        return load_unlabelled(path)
    return load_clips(path)


def load_noise(path: Path) -> tuple[Path, ...]:
    """The background recordings in and below a folder, sorted.

    Raises:
        ManifestError: no folder there, or no audio in it.
    """
    return tuple(clip.path for clip in load_unlabelled(path).clips)


def _holds_audio(folder: Path) -> bool:
    return any(entry.is_file() and entry.suffix.lower() in files.SUFFIXES for entry in folder.iterdir())
