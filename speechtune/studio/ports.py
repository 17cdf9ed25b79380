"""The seams of the studio: what tries a model, and what rolls it out. The command line fills them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


@dataclass(frozen=True)
class ModelState:
    """The model that can be tried.

    Attributes:
        status: none: there is no checkpoint yet.
        digest: of the one that is tried; "": there is none.
        thresholds: of every command, 0 to 1.
        error: why it cannot be tried, as one sentence.
    """

    status: Literal["none", "loading", "ready", "failed"]
    digest: str = ""
    thresholds: dict[str, float] | None = None
    error: str = ""


@dataclass(frozen=True)
class Heard:
    """What fired while the model was tried, or nearly did.

    Attributes:
        id: names it.
        fired: whether it was a detection; else it stayed below the threshold.
        label: the command.
        confidence, threshold: 0 to 1.
        start_seconds, end_seconds: where in its stream it lies.
        session_id: of its stream.
        digest: of the model.
    """

    id: str
    fired: bool
    label: str
    confidence: float
    threshold: float
    start_seconds: float
    end_seconds: float
    session_id: str
    digest: str


class Recogniser(Protocol):
    """Tries the model as a server serves it, and keeps what it heard."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The doors that a page speaks to."""

    @property
    def state(self) -> ModelState:
        """The model."""

    async def start(self) -> None:
        """Begin; the model is loaded where there is one, and what is wrong with it is in `state`."""

    async def reload(self) -> None:
        """There is another model; streams that run keep theirs."""

    async def set_thresholds(self, thresholds: dict[str, float]) -> None:
        """Write these thresholds, 0 to 1, into the checkpoint, and try it.

        Raises:
            ModelError, ConfigError: there is no checkpoint, or it cannot be written.
            UnknownLabelError: one is of no command of the model.
        """

    async def stop(self) -> None:
        """End; what was received is answered."""

    def heard(self) -> list[Heard]:
        """What waits to be decided, oldest first.

        Raises:
            ManifestError: it cannot be read.
        """

    def samples(self, heard_id: str) -> NDArray[np.float32]:
        """The sound of one: float32[N] at 16 kHz, N ≥ 1.

        Raises:
            ManifestError: there is none of that id.
            AudioError: it cannot be read.
        """

    def decide(self, heard_id: str, label: str | None) -> None:
        """Make one a clip of `label` in the data folder, which this writes to; None: delete it.

        Raises:
            ManifestError: there is none of that id, or it cannot be written.
        """


class Rollout(Protocol):
    """Has a running server serve the studio's model."""

    @property
    def address(self) -> str:
        """HOST:PORT of the server."""

    def roll_out(self) -> str:
        """Have it served; gives the digest that the server answers with. To be called in a thread.

        Raises:
            SpeechTuneError: the server refuses, or cannot be reached.
        """
