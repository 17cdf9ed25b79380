"""One kept hit on disk: `ID.flac`, and `ID.json` (one line) that says what the server made of it.

`speechtune mine` writes the same of what it cuts out of recordings.

The line is written last: a hit is there once its line is. Names hold nothing that a client sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speechtune.audio.files import write_flac
from speechtune.errors import ManifestError
from speechtune.whole_files import PRIVATE, PUBLIC, write_whole

ID_PATTERN = r"[0-9]{8}T[0-9]{6}-[0-9a-f]{16}"
_Seconds = Annotated[float, Field(ge=0.0)]


class HitScore(BaseModel):
    """A label and its calibrated posterior."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    confidence: float


class Hit(BaseModel):
    """What was heard, and where. Seconds count from the start of the stream's audio, the resume offset not included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
    """Begins with the time it was heard, UTC."""
    kind: Literal["detection", "near miss"]
    """near miss: a keyword was the best label and stayed below its threshold."""
    label: str
    confidence: float
    threshold: float
    alternatives: tuple[HitScore, ...] = ()
    start: _Seconds
    end: _Seconds
    audio_start: _Seconds
    """Where the kept audio begins."""
    model: str
    model_digest: str
    session_id: str
    key: str = ""
    """Name of the API key of the stream."""


def write_hit(folder: Path, hit: Hit, samples: NDArray[np.float32]) -> int:
    """Write a hit and its audio, float32[N] at 16 kHz, readable by this user alone; gives the bytes it takes.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    audio, line = _audio(folder, hit.id), _line(folder, hit.id)
    try:
        write_flac(audio, samples, mode=PRIVATE)
        write_hit_line(folder, hit, PRIVATE)
        return audio.stat().st_size + line.stat().st_size
    except BaseException:
        remove_hit(folder, hit.id)
        raise


def write_hit_line(folder: Path, hit: Hit, mode: int = PUBLIC) -> None:
    """Write what is said of a hit, whose audio is there already; nobody may do more with the file than `mode` says.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(_line(folder, hit.id), hit.model_dump_json() + "\n", mode)


def remove_hit(folder: Path, hit_id: str) -> None:
    """Remove a hit and its audio; what is not there is no error.

    Raises:
        OSError: the folder cannot be changed.
    """
    _line(folder, hit_id).unlink(missing_ok=True)
    _audio(folder, hit_id).unlink(missing_ok=True)


def stored_ids(folder: Path) -> list[str]:
    """The ids of whatever files of hits there are, whole or not, oldest first."""
    names = {path.stem for path in folder.iterdir() if path.suffix in (".flac", ".json")}
    return sorted(name for name in names if re.fullmatch(ID_PATTERN, name))


def stored_bytes(folder: Path, hit_id: str) -> int:
    """What a hit takes on disk."""
    files = [path for path in (_audio(folder, hit_id), _line(folder, hit_id)) if path.is_file()]
    return sum(path.stat().st_size for path in files)


def read_hits(folder: Path) -> Iterator[tuple[Hit, Path]]:
    """Every hit and its audio file, oldest first.

    Raises:
        ManifestError: the folder or a line cannot be read; the message names it.
    """
    try:
        ids = stored_ids(folder)
    except OSError as error:
        reason = error.strerror or error
        raise ManifestError(
            f"{folder}: cannot be read ({reason}); name a folder of --keep-hits, or of speechtune mine"
        ) from error
    for hit_id in ids:
        line, audio = _line(folder, hit_id), _audio(folder, hit_id)
        if not line.is_file() or not audio.is_file():  # the server is just writing or removing it
            continue
        try:
            yield Hit.model_validate(json.loads(line.read_bytes())), audio
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, ValidationError) as error:
            raise ManifestError(f"{line}: is not what a server writes; remove it and its .flac") from error


def _audio(folder: Path, hit_id: str) -> Path:
    return folder / f"{hit_id}.flac"


def _line(folder: Path, hit_id: str) -> Path:
    return folder / f"{hit_id}.json"
