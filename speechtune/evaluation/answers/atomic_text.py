"""Text files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from speechtune.errors import ConfigError
from speechtune.whole_files import write_together, write_whole


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` beside `path`, then rename it there; folders on the way are made.

    Raises:
        ConfigError: the folder cannot be made or written to; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error}); choose another --out") from error


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write several files into `folder`, name -> text: all of them or none; folders on the way are made.

    Raises:
        ConfigError: as for `write_text`.
    """
    try:
        write_together(folder, texts)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror or error}); choose another --out") from error
