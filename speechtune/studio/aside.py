"""Takes that are not in the data folder and yet not lost: faulty ones, and those that a person removed.

Each is `ID.flac` and `ID.json`. The line is written last: a take is there once its line is.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from speechtune.audio.files import write_flac
from speechtune.errors import ManifestError
from speechtune.whole_files import PRIVATE, write_whole

_ID_PATTERN = r"^[0-9]{8}T[0-9]{6}-[0-9a-f]{12}$"


class AsideFault(BaseModel):
    """What is wrong with a take, as `record.takes.TakeFault`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    detail: str


class AsideTake(BaseModel):
    """A take that is set aside, with all that its line in a manifest would say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=_ID_PATTERN)]
    reason: Literal["faulty", "removed"]
    label: str
    word: str | None = None
    speaker: str | None = None
    session: str | None = None
    device: str | None = None
    room: str | None = None
    synthetic: bool = False
    extra: tuple[tuple[str, str], ...] = ()
    seconds: float
    faults: tuple[AsideFault, ...] = ()


def new_id() -> str:
    """By chance, but in the order of time."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(6)}"


class Aside:
    """The folder of takes that are set aside; it is made when the first one comes."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`."""
        self._folder = folder

    def takes(self) -> list[AsideTake]:
        """All of them, oldest first.

        Raises:
            ManifestError: the folder or a line cannot be read.
        """
        try:
            lines = sorted(self._folder.glob("*.json"))
            return [
                AsideTake.model_validate_json(line.read_bytes())
                for line in lines
                if line.with_suffix(".flac").is_file()
            ]
        except (OSError, ValidationError) as error:
            raise ManifestError(
                f"{self._folder}: a take that was set aside cannot be read ({error}); remove it"
            ) from error

    def find(self, take_id: str) -> AsideTake:
        """One of them.

        Raises:
            ManifestError: it is not there.
        """
        for take in self.takes():
            if take.id == take_id:
                return take
        raise ManifestError(f"take {take_id!r}: is not set aside; it may have been used or deleted already")

    def audio(self, take: AsideTake) -> Path:
        """Its audio file."""
        return self._folder / f"{take.id}.flac"

    def put(self, take: AsideTake, samples: NDArray[np.float32]) -> None:
        """Set float32[N] at 16 kHz aside; it is on disk, whole, when this returns.

        Raises:
            ManifestError: it cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_flac(self.audio(take), samples, mode=PRIVATE)
            write_whole(self._line(take), take.model_dump_json() + "\n", PRIVATE)
        except OSError as error:
            raise ManifestError(f"{self._folder}: a take cannot be set aside ({error.strerror or error})") from error

    def forget(self, take: AsideTake) -> None:
        """Delete it.

        Raises:
            ManifestError: it cannot be deleted.
        """
        try:
            self._line(take).unlink(missing_ok=True)
            self.audio(take).unlink(missing_ok=True)
        except OSError as error:
            raise ManifestError(f"{self.audio(take)}: cannot be deleted ({error.strerror or error})") from error

    def _line(self, take: AsideTake) -> Path:
        return self._folder / f"{take.id}.json"
