"""A better copy of a data set: trimmed, at one level, without what cannot be used. The original is never changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import write_flac
from speechtune.audio.levels import active_range, active_speech_dbfs, peak_dbfs
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.inspection.report import FindingKind, InspectionReport
from speechtune.data.sets.clips import Clip, ClipSet, content_hash, read_clip
from speechtune.data.sets.manifest import MANIFEST_NAME, write_manifest
from speechtune.errors import ConfigError, ManifestError
from speechtune.labels import SILENCE, UNKNOWN
from speechtune.names import readable
from speechtune.whole_files import writing_whole_folder

USELESS: frozenset[FindingKind] = frozenset({"unreadable", "silent", "no_speech", "duplicate", "near_duplicate"})
"""Clips with such findings are left out; other faults cannot be mended, and are for a person to decide."""

_MARGIN_MS = 200
_SPEECH_DBFS = -26.0
_HIGHEST_PEAK_DBFS = -1.0


@dataclass(frozen=True)
class Repaired:
    """The new data set, and how many clips were left out."""

    clip_set: ClipSet
    num_left_out: int


def repair_clips(
    report: InspectionReport, clip_set: ClipSet, folder: Path, progress: Callable[[int, int], None] | None = None
) -> Repaired:
    """Write the usable clips of an inspected set to a new folder, trimmed and at one level, with a manifest.

    The folder appears whole or not at all.

    Args:
        report, clip_set: the inspected set.
        folder: the new folder.
        progress: told after each clip how many are written, and how many there are.

    Raises:
        ConfigError: the folder exists and is not empty.
        ManifestError: it cannot be written, or no clip is left.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists; repaired clips go to a new folder")
    usable = [found.clip for found in report.clips if not any(finding.kind in USELESS for finding in found.findings)]
    if not usable:
        raise ManifestError(f"{clip_set.root}: no clip of it is usable; record new ones")
    try:
        with writing_whole_folder(folder) as beside:
            clips = []
            for number, clip in enumerate(usable):
                clips.append(_repaired(clip, number, beside))
                if progress is not None:
                    progress(number + 1, len(usable))
            noise = [_copied(path, number, beside) for number, path in enumerate(clip_set.noise)]
            write_manifest(beside / MANIFEST_NAME, ClipSet(beside, tuple(clips), tuple(noise)))
    except OSError as error:
        raise ManifestError(f"{error.filename or folder}: cannot be written ({error.strerror or error})") from error
    repaired = ClipSet(
        folder,
        tuple(replace(clip, path=folder / clip.path.relative_to(beside)) for clip in clips),
        tuple(folder / path.relative_to(beside) for path in noise),
    )
    return Repaired(repaired, len(report.clips) - len(clips))


def trimmed_and_levelled(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[N] cut to its speech with 200 ms around it, at -26 dBFS while speech is on; as it is without speech.

    Where the peak would pass -1 dBFS it stays softer.
    """
    active = active_range(samples)
    level = active_speech_dbfs(samples)
    if active is None or level is None:
        return samples
    margin = samples_from_ms(_MARGIN_MS)
    trimmed = samples[max(active[0] - margin, 0) : active[1] + margin]
    gain_db = min(_SPEECH_DBFS - level, _HIGHEST_PEAK_DBFS - peak_dbfs(trimmed))
    levelled: NDArray[np.float32] = trimmed * np.float32(10.0 ** (gain_db / 20.0))
    return levelled


def _repaired(clip: Clip, number: int, folder: Path) -> Clip:
    samples = read_clip(clip)
    if clip.label not in (SILENCE, UNKNOWN):
        samples = trimmed_and_levelled(samples)
    path = folder / clip.label / f"{number:06d}-{_plain(clip.path.stem)}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_flac(path, samples)
    source = clip.source if clip.stretch == (0, None) else clip.recording
    return replace(
        clip,
        path=path,
        source=source,
        num_samples=len(samples),
        sha256=content_hash(path),
        start_sample=None,
        end_sample=None,
        channel=None,
    )


def _plain(name: str) -> str:
    """A name that a manifest can hold."""
    return readable(name).replace("\\", "_")


def _copied(path: Path, number: int, folder: Path) -> Path:
    target = folder / "_background_noise_" / f"{number:06d}-{_plain(path.name)}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    return target
