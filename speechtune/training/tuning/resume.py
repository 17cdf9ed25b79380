"""The state of a phase on disk, so that a killed run goes on from its last saved step to the same last bit."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from speechtune.errors import ConfigError
from speechtune.recipe import Recipe
from speechtune.training.method import Tuning
from speechtune.whole_files import writing_whole

State = dict[str, Any]


class SavedState:
    """One file, written whole, that belongs to one run.

    Args:
        path: the file.
        identity: of the run: data, recipe, versions; a state of another identity is not gone on from.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._identity = identity

    def load(self) -> State | None:
        """What the same run last saved; None where there is nothing of it."""
        try:
            state: State = torch.load(io.BytesIO(self._path.read_bytes()), map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, UnpicklingError, EOFError) as error:
            raise ConfigError(f"{self._path}: cannot be gone on from ({error}); delete it to start anew") from error
        return state if state.pop("identity", None) == self._identity else None

    def save(self, state: State) -> None:
        """Replace what was saved.

        Raises:
            ConfigError: the place cannot be written to.
        """
        try:
            with writing_whole(self._path) as file:
                torch.save(state | {"identity": self._identity}, file)
        except OSError as error:
            raise ConfigError(f"{self._path}: the state of training cannot be saved ({error})") from error

    def remove(self) -> None:
        """Forget it: the run is over."""
        self._path.unlink(missing_ok=True)


def identity_of(recipe: Recipe, data: str, tuning: Tuning, start: str) -> str:
    """What a saved state belongs to: everything that decides the weights, but the machine.

    Args:
        recipe: all of it.
        data: identity of what was read.
        tuning: the method that was chosen.
        start: digest of the checkpoint that was started from, or the encoder's name.
    """
    parts = [recipe.to_toml(), data, tuning, start, torch.__version__]
    return hashlib.sha256("\0".join(parts).encode(errors="backslashreplace")).hexdigest()
