"""Make a manifest of the labelled stretches in long recordings.

    python -m data_scripts.import_long_recordings FOLDER --out manifest.jsonl --speaker-pattern '^([a-z]+)'

Beside `NAME.wav` lies `NAME.txt`, an Audacity label track (start, end and label, tabs between, in seconds), or
`NAME.TextGrid`, as Praat saves it in its long form: the intervals of one tier, those without text left out. No audio is
copied: a clip is a stretch of its recording.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from data_scripts.importing import finish_import
from speechtune.audio.files import SUFFIXES
from speechtune.audio.stretches import count_samples
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.clips import Clip, ClipSet, check_clip_label
from speechtune.data.sets.speakers import fill_speakers
from speechtune.errors import ManifestError

_ROUNDING_SAMPLES = SAMPLE_RATE_HZ // 100
"""A label may end so much after its recording: programs round to their own clock."""
_TIER = re.compile(r'name = "((?:[^"]|"")*)"')
_INTERVAL = re.compile(r'intervals \[\d+\]:\s*xmin = ([\d.e+-]+)\s*xmax = ([\d.e+-]+)\s*text = "((?:[^"]|"")*)"')


class Labelled(NamedTuple):
    """A stretch of a recording in seconds, and its label."""

    start: float
    end: float
    label: str


def import_long_recordings(folder: Path, tier: str | None = None, speaker_pattern: str | None = None) -> ClipSet:
    """The labelled stretches of every recording that has labels beside it; a recording is a session.

    Raises:
        ManifestError: no labels, or labels that are not of their form or lie beyond the recording's end; the message
            names file and line or tier.
        UnreadableAudioError: a recording with labels is no audio.
        ConfigError: the speaker pattern is of no use.
    """
    recordings = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    clips = []
    for path in recordings:
        text_grid, track = path.with_suffix(".TextGrid"), path.with_suffix(".txt")
        if text_grid.is_file():
            labelled, where = parse_text_grid(_text(text_grid), str(text_grid), tier), text_grid
        elif track.is_file():
            labelled, where = parse_label_track(_text(track), str(track)), track
        else:
            continue
        num_samples = count_samples(path)
        clips += [_clip(path, num_samples, stretch, str(where)) for stretch in labelled]
    if not clips:
        raise ManifestError(f"{folder}: none of {len(recordings)} recordings has labels (.txt, .TextGrid) beside it")
    sessions = [replace(clip, session=clip.path.relative_to(folder).with_suffix("").as_posix()) for clip in clips]
    filled, notes = fill_speakers(sessions, speaker_pattern, lambda clip: clip.path.stem)
    return ClipSet(folder, filled, notes=notes)


def parse_label_track(text: str, where: str) -> list[Labelled]:
    """The stretches of an Audacity label track; points without length, and frequency lines, are left out.

    Raises:
        ManifestError: a line is not of the form; `where` and its number are named.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("\\"):  # a line of frequencies belongs to the label before it
            continue
        cells = line.split("\t")
        try:
            start, end = (float(cell.replace(",", ".")) for cell in cells[:2])
            if not math.isfinite(start) or not math.isfinite(end):
                raise ValueError(line)
        except ValueError as error:
            raise ManifestError(f"{where}, line {number}: not start, end and label with tabs between") from error
        if len(cells) > 2 and cells[2].strip() and end > start:
            found.append(Labelled(start, end, cells[2].strip()))
    return found


def parse_text_grid(text: str, where: str, tier: str | None) -> list[Labelled]:
    """The intervals with text of one tier of a Praat TextGrid in its long form; none named: of the first one.

    Raises:
        ManifestError: no such tier, or not of the form.
    """
    parts = re.split(r"item \[\d+\]:", text)[1:]
    tiers = {match[1].replace('""', '"'): part for part in parts if (match := _TIER.search(part))}
    if not tiers:
        raise ManifestError(f"{where}: not a TextGrid in its long form; save it as text from Praat")
    if tier is not None and tier not in tiers:
        raise ManifestError(f"{where}: has no tier {tier!r}, only {', '.join(tiers)}")
    chosen = tiers[tier] if tier is not None else next(iter(tiers.values()))
    intervals = (
        Labelled(float(m[1]), float(m[2]), m[3].replace('""', '"').strip()) for m in _INTERVAL.finditer(chosen)
    )
    return [interval for interval in intervals if interval.label]


def _clip(path: Path, num_samples: int, labelled: Labelled, where: str) -> Clip:
    label = check_clip_label(labelled.label, where)
    start, end = (round(seconds * SAMPLE_RATE_HZ) for seconds in (labelled.start, labelled.end))
    if start < 0 or end <= start:
        raise ManifestError(f"{where}: {label!r} from {labelled.start} to {labelled.end} s is no stretch")
    if start >= num_samples or end - num_samples > _ROUNDING_SAMPLES:
        raise ManifestError(
            f"{where}: {label!r} from {labelled.start} to {labelled.end} s lies beyond the end of {path.name}, which "
            f"is {num_samples / SAMPLE_RATE_HZ:.2f} s long; are these the labels of another recording?"
        )
    return Clip(path, label, start_sample=start, end_sample=min(end, num_samples))


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        # Praat writes UTF-16 where a text holds more than ASCII.
        return content.decode("utf-16" if content[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as text ({error})") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest; 0 if it is there, 2 if the folder is not what it should be."""
    parser = argparse.ArgumentParser(prog="import_long_recordings", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="recordings with their labels")
    parser.add_argument("--tier", help="tier of the TextGrids; otherwise the first")
    parser.add_argument("--speaker-pattern", help="regular expression that finds the speaker in file names")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write, .jsonl or .csv")
    options = parser.parse_args(argv)
    return finish_import(
        "import_long_recordings",
        lambda: import_long_recordings(options.folder, options.tier, options.speaker_pattern),
        options.out,
    )


if __name__ == "__main__":
    raise SystemExit(main())
