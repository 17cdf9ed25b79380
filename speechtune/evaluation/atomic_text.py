"""A text file that is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from speechtune.errors import ConfigError


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` beside `path`, then rename it there; folders on the way are made.

    Raises:
        ConfigError: the folder cannot be made or written to; nothing is left behind.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        if beside.parent.is_dir():
            beside.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written ({error}); choose another folder with --out") from error
