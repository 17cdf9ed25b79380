"""Cut recordings of speech that holds no command into clips of about a word, as `_unknown_`.

    python -m data_scripts.cut_negatives FOLDER --out DIR

FOLDER holds recordings of any length, or is a manifest; where nothing else is known, a recording is a session. DIR gets
`_unknown_/` and a manifest that names the recording of every clip (`source`), by which leaks are found. Run again after
an interruption, it writes what is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_scripts.importing import finish_import
from speechtune.audio.files import write_flac
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.sets.clips import Clip, ClipSet, content_hash, read_clip
from speechtune.data.sets.loading import load_negatives
from speechtune.data.sets.long_clips import cut_long_clips
from speechtune.data.sets.manifest import MANIFEST_NAME
from speechtune.errors import ConfigError, ManifestError
from speechtune.labels import UNKNOWN

_FADE_MS = 10  # a cut in the middle of speech would click


def cut_negatives(source: Path, out: Path, window_ms: int) -> ClipSet:
    """Write the clips cut from every recording; those that are there already are not written again.

    Raises:
        ConfigError: a window of less than 500 ms.
        ManifestError: no recordings, no speech in them, or a clip cannot be written.
        UnreadableAudioError: a recording cannot be read.
    """
    if window_ms < 500:
        raise ConfigError(f"--window-ms {window_ms}: at least 500, no word is shorter")
    recordings = load_negatives(source)
    root = source if source.is_dir() else source.parent
    clips: list[Clip] = []
    num_silent = 0
    for recording in recordings.clips:
        pieces = cut_long_clips([recording], samples_from_ms(window_ms))
        num_silent += not pieces
        # Two recordings may have one name; and the one that had it yesterday may be another one.
        stem = f"{recording.path.stem}-{content_hash(recording.path)[:8]}" if pieces else ""
        clips += [_written(piece, out / UNKNOWN, stem, _session(recording, root)) for piece in pieces]
    if not clips:
        raise ManifestError(f"{source}: nobody speaks in any of its {len(recordings.clips)} recordings")
    notes = (f"{num_silent} recordings without speech left out",) if num_silent else ()
    return ClipSet(out, tuple(clips), notes=(*recordings.notes, *notes))


def _session(recording: Clip, root: Path) -> str:
    if recording.session is not None:
        return recording.session
    path = recording.path.with_suffix("")
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _written(piece: Clip, folder: Path, stem: str, session: str) -> Clip:
    start, end = piece.stretch
    path = folder / f"{stem}_{start}-{'end' if end is None else end}.flac"
    if not path.is_file():
        samples = read_clip(piece).copy()
        fade = min(samples_from_ms(_FADE_MS), len(samples) // 2)
        ramp = np.linspace(0.0, 1.0, fade, endpoint=False, dtype=np.float32)
        samples[:fade] *= ramp
        samples[len(samples) - fade :] *= ramp[::-1]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_flac(path, samples)
        except OSError as error:
            raise ManifestError(f"{path}: cannot be written ({error.strerror or error})") from error
    return replace(
        piece,
        path=path,
        label=UNKNOWN,
        source=piece.recording,
        session=session,
        sha256=content_hash(path),
        start_sample=None,
        end_sample=None,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write clips and manifest; 0 if they are there, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(prog="cut_negatives", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of recordings, or a manifest")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips and their manifest")
    parser.add_argument("--window-ms", type=int, default=1_000, help="no clip is longer")
    options = parser.parse_args(argv)
    return finish_import(
        "cut_negatives",
        lambda: cut_negatives(options.source, options.out, options.window_ms),
        options.out / MANIFEST_NAME,
    )


if __name__ == "__main__":
    raise SystemExit(main())
