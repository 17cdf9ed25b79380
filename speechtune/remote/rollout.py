"""Having a running server serve another checkpoint, without a stream that breaks."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from speechtune.errors import ConfigError
from speechtune.models.checkpoints.files import read_summary
from speechtune.remote.server_access import ServerAccess, connected
from speechtune.whole_files import writing_whole_folder

_DIGITS = 12
"""Of the digest that name a folder."""


@dataclass(frozen=True)
class ServedFolder:
    """A running server and its model folder.

    Attributes:
        access: the server.
        models: its model folder, as this machine sees it.
    """

    access: ServerAccess
    models: Path


def roll_out(checkpoint: Path, server: ServedFolder, name: str = "") -> str:
    """Copy a checkpoint into the model folder of a server, and have it served; streams that run keep their model.

    Args:
        checkpoint: its folder.
        server: where it is to be served.
        name: of the model that it takes the place of. Defaults to the server's default model.

    Returns:
        The digest that the server answers with, which is that of the checkpoint.

    Raises:
        ModelError: there is no whole checkpoint.
        ConfigError: it cannot be copied, or the server refuses it.
        ModelUnavailableError: the server cannot be reached, or fails.
    """
    digest = read_summary(checkpoint).digest
    with connected(server.access) as client:
        served_as = name or client.server_info().default_model
        folder = f"{served_as}-{digest[:_DIGITS]}"
        is_new = _copied(checkpoint, server.models / folder)
        try:
            return client.load_model(folder, served_as, digest)
        except Exception:
            if is_new:  # nobody serves it
                shutil.rmtree(server.models / folder, ignore_errors=True)
            raise


def _copied(checkpoint: Path, place: Path) -> bool:
    """Copy it; False: it is there already, for the digest is in its name, and the server makes sure of it."""
    if place.is_dir():
        return False
    if not place.parent.is_dir():
        raise ConfigError(f"{place.parent}: there is no such folder; name the model folder of the server")
    try:
        with writing_whole_folder(place) as beside:
            shutil.copytree(checkpoint, beside, dirs_exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{place}: the checkpoint cannot be copied there ({error.strerror or error})") from error
    return True
