"""What was said in a long recording, as a label track that Audacity reads and writes.

A line is `start<TAB>end<TAB>label`, in seconds. Audacity's lines of frequencies, which begin with a backslash, are
passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from speechtune.audio.timebase import SAMPLE_RATE_HZ, seconds_from_samples
from speechtune.errors import DataError, ManifestError
from speechtune.evaluation.atomic_text import write_text
from speechtune.evaluation.event_matching import SpokenWord
from speechtune.names import composed


def read_truth(path: Path) -> tuple[SpokenWord, ...]:
    """Read a label track, in the order of the file; an empty file says that no keyword occurs.

    Raises:
        ManifestError: it cannot be read or a line does not have the form; the message names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"truth {path}: cannot be read ({error})") from error
    return tuple(
        _word(line, f"truth {path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("\\")
    )


def write_truth(path: Path, words: Iterable[SpokenWord]) -> None:
    """Write a label track that `read_truth` reads back exactly; it appears whole or not at all.

    Raises:
        ConfigError: the file cannot be written.
    """
    lines = (
        f"{seconds_from_samples(word.start_sample):.7f}\t{seconds_from_samples(word.end_sample):.7f}\t{word.label}\n"
        for word in words
    )
    write_text(path, "".join(lines))


def _word(line: str, where: str) -> SpokenWord:
    fields = line.split("\t")
    if len(fields) != 3 or not fields[2].strip():
        raise ManifestError(f"{where}: write start, end and label, with tabs between them")
    try:
        start, end = float(fields[0]), float(fields[1])
    except ValueError as error:
        raise ManifestError(f"{where}: start and end are seconds, with a decimal point ({error})") from error
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ManifestError(f"{where}: start and end must be finite")
    try:
        return SpokenWord(composed(fields[2].strip()), round(start * SAMPLE_RATE_HZ), round(end * SAMPLE_RATE_HZ))
    except DataError as error:
        raise ManifestError(f"{where}: {error}") from error
