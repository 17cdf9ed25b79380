"""Manifests: one line per clip, as JSONL or CSV, beside the audio or anywhere else.

A line's fields are those of `ManifestLine`; columns of one's own begin with `x_` and are kept as text.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speechtune.data.clips import Clip, ClipSet, Split, check_clip_label
from speechtune.data.manifest_table import read_table, text_lines
from speechtune.data.speakers import fill_speakers
from speechtune.errors import ManifestError
from speechtune.file_locks import held, lock_beside
from speechtune.labels import BACKGROUND_NOISE
from speechtune.names import composed, look_alike_notes, readable
from speechtune.ordinary_files import odd_kind
from speechtune.whole_files import writing_whole

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet calculates, any apostrophes before it left out."""

SUFFIXES = frozenset({".jsonl", ".csv"})
MANIFEST_NAME = "manifest.jsonl"
"""The manifest that a data folder is read by, if it holds one."""

_Text = Annotated[str, Field(min_length=1)]
_SampleIndex = Annotated[int, Field(ge=0)]


class ManifestLine(BaseModel):
    """One line. Only `path` and `label` are required."""

    model_config = ConfigDict(extra="allow", frozen=True)

    path: _Text
    """The audio file, relative to the manifest's folder."""
    label: _Text
    speaker: _Text | None = None
    session: _Text | None = None
    device: _Text | None = None
    room: _Text | None = None
    split: Split | None = None
    synthetic: bool = False
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    num_samples: Annotated[int, Field(ge=1)] | None = None
    """Length of the clip in samples at 16 kHz."""
    channel: Annotated[int, Field(ge=1, le=64)] | None = None
    """The channel of the file to take, counted from 1; unset: the mean of all, the loudest where they cancel."""
    start_sample: _SampleIndex | None = None
    """Where the clip begins in a longer recording, in samples at 16 kHz."""
    end_sample: _SampleIndex | None = None
    """The sample after its last."""
    source: _Text | None = None
    """The recording that the clip was cut from, relative to the manifest's folder; it need not be there any more."""
    word: _Text | None = None
    """What is said, where the label does not tell."""
    id: _Text | None = None


_FIELDS = tuple(ManifestLine.model_fields)


def load_manifest(path: Path, speaker_pattern: str | None = None, *, may_be_empty: bool = False) -> ClipSet:
    """Read a `.jsonl` or `.csv` manifest; lines of `_background_noise_` become the set's noise.

    Raises:
        ManifestError: the manifest is missing, without clips (unless it may be) or broken; the message names the file,
            the line and the remedy.
        ConfigError: the speaker pattern is of no use.
    """
    lines = _read_csv(path) if path.suffix.lower() == ".csv" else _read_jsonl(path)
    clips: list[Clip] = []
    noise: list[Path] = []
    line_of: dict[tuple[Path, tuple[int, int | None], int | None], int] = {}
    for number, line in lines:
        where = f"{path}, line {number}"
        clip = _clip(line, path.parent, where)
        first = line_of.setdefault((clip.path, clip.stretch, clip.channel), number)
        if first != number:
            raise ManifestError(f"{where}: lists {line.path!r} again, first on line {first}; remove one of them")
        if clip.label == BACKGROUND_NOISE:
            noise.append(clip.path)
        else:
            clips.append(clip)
    if not clips and not may_be_empty:
        raise ManifestError(f"{path}: lists no clips; write one line per clip with at least its path and label")
    filled, notes = fill_speakers(clips, speaker_pattern, lambda clip: _name(clip, path.parent))
    return ClipSet(path, filled, tuple(noise), (*notes, *look_alike_notes({clip.label for clip in filled})))


def check_manifest_name(path: Path) -> None:
    """Refuse a name that no manifest may have; ask before anything else is done for it.

    Raises:
        ManifestError: it ends neither in .jsonl nor in .csv.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ManifestError(f"{path}: a manifest's name ends in .jsonl or .csv")


def write_manifest(path: Path, clip_set: ClipSet) -> None:
    """Write clips and noise as JSONL, or as CSV if the name ends so; the file appears whole or not at all.

    Raises:
        ManifestError: another suffix, or the file cannot be written.
    """
    check_manifest_name(path)
    noise = [Clip(path=file, label=BACKGROUND_NOISE) for file in clip_set.noise]
    rows = [_row(clip, path.parent) for clip in [*clip_set.clips, *noise]]
    try:
        with writing_whole(path) as file:
            if path.suffix.lower() == ".csv":
                file.write(_csv_text(rows).encode())
            else:
                file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in rows)
    except OSError as error:
        raise ManifestError(f"{path}: cannot be written ({error.strerror or error})") from error


def unlist_clip(path: Path, clip_id: str) -> None:
    """Write a manifest again without the clip of this id; without one, nothing changes.

    Processes that do it at the same time wait for each other.

    Raises:
        ManifestError: it cannot be read or written.
    """
    try:
        with held(lock_beside(path)):
            listed = load_manifest(path, may_be_empty=True)
            kept = tuple(clip for clip in listed.clips if clip.id != clip_id)
            if len(kept) < len(listed.clips):
                write_manifest(path, listed.with_clips(kept))
    except OSError as error:
        raise ManifestError(f"{path}: cannot be locked to be changed ({error.strerror or error})") from error


def _clip(line: ManifestLine, folder: Path, where: str) -> Clip:
    label = check_clip_label(line.label, where)
    extra = _extra(line, where)
    start, end = line.start_sample, line.end_sample
    if end is not None and end <= (start or 0):
        raise ManifestError(f"{where}: end_sample {end} does not lie after start_sample {start or 0}")
    if label == BACKGROUND_NOISE and (start is not None or end is not None):
        raise ManifestError(f"{where}: background noise is whole files; leave out start_sample and end_sample")
    if line.synthetic and line.split in ("valid", "test"):
        raise ManifestError(
            f"{where}: a synthetic clip of the {line.split} split, which may judge nothing; make its split train, or "
            "leave it out"
        )
    file = _file(folder, line.path)
    if file is None:
        raise _missing(folder, line.path, where)
    known = {name: getattr(line, name) for name in _FIELDS}
    source = None if line.source is None else Path(os.path.normpath(folder / line.source))
    return Clip(**(known | {"path": file, "label": label, "source": source}), extra=extra)


def _file(folder: Path, name: str) -> Path | None:
    """The file of that name, whose accents and separators may be written in another form than on this system."""
    forms = (name, composed(name), unicodedata.normalize("NFD", name))
    for path in dict.fromkeys((*forms, *(form.replace("\\", "/") for form in forms))):
        if os.path.isfile(folder / path):  # half the cost of Path.is_file, which shows at 100,000 lines
            return folder / path
    return None


def _missing(folder: Path, name: str, where: str) -> ManifestError:
    if re.match(r"[A-Za-z]:[\\/]|\\\\", name):
        return ManifestError(
            f"{where}: {name!r} is a path of a Windows machine; write it relative to the manifest, such as yes/1.wav"
        )
    kind = odd_kind(folder / name)
    problem = "there is no file" if kind is None else f"{kind} and no file is"
    return ManifestError(f"{where}: {problem} {name!r} beside the manifest; correct the path")


def _name(clip: Clip, folder: Path) -> str:
    """A clip's path without suffix, below its label's folder if it lies in one: as in a folder without manifest."""
    path = clip.path.with_suffix("")
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else path.parts
    return "/".join(parts[1:] if len(parts) > 1 and parts[0] == clip.label else parts)


def _extra(line: ManifestLine, where: str) -> tuple[tuple[str, str], ...]:
    extra = line.model_extra or {}
    for name, value in extra.items():
        if not name.startswith("x_"):
            raise ManifestError(
                f"{where}: unknown field {name!r}; known are {', '.join(_FIELDS)}, one of your own begins with 'x_'"
            )
        if not isinstance(value, str):
            raise ManifestError(f"{where}: {name}: fields of one's own are text; write {json.dumps(str(value))}")
    return tuple(extra.items())


def _read_jsonl(path: Path) -> Iterator[tuple[int, ManifestLine]]:
    for number, text in text_lines(path):
        if not text.strip():
            continue
        try:
            yield number, ManifestLine.model_validate_json(text)
        except ValidationError as error:
            raise _broken(path, number, error) from error


def _read_csv(path: Path) -> Iterator[tuple[int, ManifestLine]]:
    for number, cells in read_table(path):
        try:
            yield number, ManifestLine.model_validate({name: _from_cell(cell) for name, cell in cells.items()})
        except ValidationError as error:
            raise _broken(path, number, error) from error


def _broken(path: Path, number: int, error: ValidationError) -> ManifestError:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return ManifestError(f"{path}, line {number}: not one JSON object ({first['msg']}); correct or remove the line")
    field = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] == "missing" else f" (got {first['input']!r})"
    return ManifestError(f"{path}, line {number}: {field or 'line'}: {first['msg']}{got}; correct the line")


def _row(clip: Clip, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(clip, name) for name in _FIELDS}
    row["path"] = path = _relative(clip.path, folder)
    if readable(path) != path:
        raise ManifestError(f"{readable(str(clip.path))}: a name that is not UTF-8 cannot be listed; rename the file")
    row["source"] = None if clip.source is None else readable(_relative(clip.source, folder))
    row["synthetic"] = clip.synthetic or None
    return {name: value for name, value in row.items() if value is not None} | dict(clip.extra)


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _csv_text(rows: Iterable[dict[str, Any]]) -> str:
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_to_cell(row.get(name, "")) for name in names] for row in rows)
    return text.getvalue()


def _to_cell(value: object) -> str:
    """What stands for it in CSV: a text that a spreadsheet would calculate gets an apostrophe before it."""
    if value is True:
        return "true"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and _FORMULA.match(text) else text


def _from_cell(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
