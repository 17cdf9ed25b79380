"""A data folder that grows clip by clip, as it is recorded; a crash loses at most the clip in progress."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import write_flac
from speechtune.data.sets.clips import Clip, ClipSet, Split, content_hash
from speechtune.data.sets.folders import load_folder
from speechtune.data.sets.manifest import MANIFEST_NAME, load_manifest, write_manifest
from speechtune.errors import ManifestError
from speechtune.labels import BACKGROUND_NOISE
from speechtune.whole_files import remove_leftovers


class GrowingSet:
    """A folder with `manifest.jsonl`, which lists every clip as soon as its file is whole on disk, and not before."""

    def __init__(self, folder: Path) -> None:
        """Open a folder, new or with clips in it; those of a folder without manifest are listed from now on.

        Nobody else may be writing to it (`folder_lock.sole_writer`): what a killed recording left half-written goes.

        Raises:
            ManifestError: the folder or its manifest does not have its form, or cannot be made.
        """
        self._manifest = folder / MANIFEST_NAME
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
            has_files = any(path.is_file() and not path.name.startswith(".") for path in folder.rglob("*"))
        except OSError as error:
            raise ManifestError(f"{folder}: cannot be made or read ({error.strerror}); name another one") from error
        if self._manifest.is_file():
            self._set = load_manifest(self._manifest, may_be_empty=True)
        else:
            self._set = load_folder(folder) if has_files else ClipSet(self._manifest, ())
            # From now on a file that is not listed is what a crash left, and no clip.
            write_manifest(self._manifest, self._set)

    @property
    def clip_set(self) -> ClipSet:
        """What there is now."""
        return self._set

    def num_takes(self, speaker: str | None) -> dict[tuple[str, str | None], int]:
        """How many takes of a label and text there are, by one speaker; the text of a keyword is its label."""
        counts: Counter[tuple[str, str | None]] = Counter(
            (clip.label, clip.word or clip.label) for clip in self._set.clips if clip.speaker == speaker
        )
        if self._set.noise:
            counts[BACKGROUND_NOISE, None] = len(self._set.noise)
        return dict(counts)

    def add(self, clip: Clip, samples: NDArray[np.float32]) -> Clip:
        """Write float32[N] at 16 kHz as FLAC in the label's folder and list it; the clip's path is a stem to number.

        An existing file is never overwritten, listed or not.

        Returns:
            The clip as listed: with its path, length and content hash.

        Raises:
            ManifestError: the file or the manifest cannot be written.
        """
        path = _free_name(self._folder / clip.label, clip.path.name)
        try:
            path.parent.mkdir(exist_ok=True)
            write_flac(path, samples)
        except OSError as error:
            raise ManifestError(f"{path}: cannot be written ({error.strerror or error})") from error
        listed = replace(clip, path=path, num_samples=len(samples), sha256=content_hash(path))
        if clip.label == BACKGROUND_NOISE:
            grown = replace(self._set, noise=(*self._set.noise, path))
        else:
            grown = replace(self._set, clips=(*self._set.clips, listed))
        self._change(grown)
        return listed

    def remove(self, clip: Clip) -> None:
        """List a clip, or a recording of background, no longer, and then delete its file if nothing else is in it.

        A file outside the folder is never deleted.

        Raises:
            ManifestError: it is not listed, or the manifest or the file cannot be changed.
        """
        if clip.label == BACKGROUND_NOISE:
            left = replace(self._set, noise=tuple(path for path in self._set.noise if path != clip.path))
        else:
            left = self._set.with_clips(one for one in self._set.clips if one != clip)
        if left == self._set:
            raise ManifestError(f"{clip.path}: is not listed in {self._manifest}; it may have been removed already")
        self._change(left)
        if clip.path in (*left.noise, *(one.path for one in left.clips)) or not self._holds(clip.path):
            return
        try:
            clip.path.unlink(missing_ok=True)
        except OSError as error:
            raise ManifestError(f"{clip.path}: cannot be deleted ({error.strerror or error})") from error

    def declare(self, clip: Clip, split: Split | None) -> Clip:
        """Declare a listed clip for a split, or with None for no split; gives the clip as it is listed then.

        Raises:
            ManifestError: it is not listed, is synthetic and would judge, or the manifest cannot be written.
        """
        if clip not in self._set.clips:
            raise ManifestError(f"{clip.path}: is not listed in {self._manifest}; it may have been removed already")
        declared = replace(clip, split=split)
        self._change(self._set.with_clips(declared if one == clip else one for one in self._set.clips))
        return declared

    def _change(self, changed: ClipSet) -> None:
        write_manifest(self._manifest, changed)
        self._set = changed

    def _holds(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._folder.resolve())


def _free_name(folder: Path, stem: str) -> Path:
    number = 1
    while (path := folder / f"{stem}_{number:03d}.flac").exists():
        number += 1
    return path
