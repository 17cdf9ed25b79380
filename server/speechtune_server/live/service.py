"""What one server process serves from, whichever door a call comes by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ServiceNotReadyError
from speechtune_server.engine.dispatch import Dispatch
from speechtune_server.engine.model_library import ModelLibrary
from speechtune_server.engine.model_store import ModelStore, ServedModel
from speechtune_server.hits.keeper import HitKeeper
from speechtune_server.live.stream import Models
from speechtune_server.process.admission import Admission
from speechtune_server.process.clock import Clock
from speechtune_server.process.config import ServerConfig
from speechtune_server.process.metrics import Metrics


@dataclass(frozen=True)
class Engine:
    """What is there once the models are loaded."""

    library: ModelLibrary
    dispatch: Dispatch

    @property
    def store(self) -> ModelStore:
        """The models that are served now."""
        return self.library.store

    def models_of(self, model: ServedModel) -> Models:
        """What a stream or a clip for `model` asks for answers."""

        async def score(windows: NDArray[np.float32]) -> NDArray[np.float32]:
            return await self.dispatch.score(model, windows)

        return Models(self.dispatch.voice_activity, score)


@dataclass(eq=False)
class Service:
    """The parts that every call needs; one of these serves all doors.

    Attributes:
        config: the limits.
        admission: decides who is let in.
        clock: tells the time.
        metrics: is told what is found.
        hits: keeps the audio of what is found; None: nobody does.
        engine: None while the models are being loaded, when `admission` lets nobody in.
    """

    config: ServerConfig
    admission: Admission
    clock: Clock
    metrics: Metrics
    hits: HitKeeper | None = None
    engine: Engine | None = None

    @property
    def loaded(self) -> Engine:
        """The models.

        Raises:
            ServiceNotReadyError: they are being loaded.
        """
        if self.engine is None:
            raise ServiceNotReadyError("the models are being loaded; try again later")
        return self.engine
