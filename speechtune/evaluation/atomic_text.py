"""A text file that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from speechtune.errors import ConfigError
from speechtune.whole_files import write_whole


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` beside `path`, then rename it there; folders on the way are made.

    Raises:
        ConfigError: the folder cannot be made or written to; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error}); choose another folder with --out") from error
