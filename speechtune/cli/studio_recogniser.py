"""What the studio tries a model with: the parts of a server, in this process, behind the studio's own port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import read_audio
from speechtune.cli.terminal.review_session import Answers, Decision, review_hits
from speechtune.errors import ManifestError, SpeechTuneError
from speechtune.models.encoders.bounds import DESCRIPTION_FILE
from speechtune.streaming.voice.activity import SileroActivity
from speechtune.studio.ports import Heard, ModelState
from speechtune.studio.project import Project
from speechtune_server.engine.backends import loader_for
from speechtune_server.engine.dispatch import Dispatch
from speechtune_server.engine.model_library import ModelLibrary
from speechtune_server.engine.runner import Runner
from speechtune_server.hits.files import Hit, read_hits
from speechtune_server.hits.keeper import HitKeeper
from speechtune_server.live.service import Engine, Service
from speechtune_server.process.admission import Admission, ServiceState
from speechtune_server.process.clock import MonotonicClock
from speechtune_server.process.config import Backend, ServerConfig, server_config
from speechtune_server.process.metrics import NoMetrics
from speechtune_server.websocket_door.routes import websocket_routes

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

MODEL_NAME = "studio"
_DRAIN_SECONDS, _THREADS_SECONDS = 2.0, 1.0


def recogniser_config(project: Project, host_names: Sequence[str], **settings: object) -> ServerConfig:
    """Settings of the studio's recogniser; `settings` go before them.

    Raises:
        ConfigError: as for `server_config`.
    """
    given: dict[str, object] = {
        "models": {MODEL_NAME: project.model},
        # A model of this size is loaded into torch in a second, and exported in ten.
        "backend": Backend.TORCH,
        "keep_hits": project.tried,
        "websocket_hosts": tuple(host_names),
        "max_streams": 8,
    }
    return server_config(**given | settings)


class LocalRecogniser:
    """The `studio.ports.Recogniser` that is the parts of a server; to be made inside a running event loop.

    Args:
        project: whose model is tried.
        config: the settings.

    Attributes:
        changed: is called when the model is another one, or fails.
    """

    def __init__(self, project: Project, config: ServerConfig) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._project, self._config = project, config
        self._state = ModelState("none")
        self._reloading = asyncio.Lock()
        self._clock = MonotonicClock()
        self._scoring, self._activity = Runner(1, "scoring"), Runner(1, "voice-activity")
        self._library = ModelLibrary(
            loader_for(config.backend, config.export_folder, config.num_threads),
            config.models,
            config.default_model_name,
            None,
        )
        assert config.keep_hits is not None
        self._hits = HitKeeper(config.keep_hits, config.keep_hits_max_bytes, config.keep_hits_max_days * 86_400)
        admission = Admission(config.stream_limit, config.max_clips, config.stream_limit, config.max_clips)
        self._service = Service(config, admission, self._clock, NoMetrics(), self._hits)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """As `Recogniser.routes`."""
        return websocket_routes(self._service)

    @property
    def state(self) -> ModelState:
        """As `Recogniser.state`."""
        return self._state

    async def start(self) -> None:
        """As `Recogniser.start`."""
        activity = await self._activity.run(SileroActivity)
        config = self._config
        dispatch = Dispatch(
            self._activity,
            self._scoring,
            activity,
            config.max_batch,
            config.max_wait_ms / 1000,
            self._clock,
            config.max_compute_seconds,
        )
        self._service.engine = Engine(self._library, dispatch)
        self._loading = asyncio.create_task(self.reload())

    async def reload(self) -> None:
        """As `Recogniser.reload`."""
        async with self._reloading:
            if not (self._project.model / DESCRIPTION_FILE).is_file():
                self._set(ModelState("none"))
                return
            self._set(replace(self._state, status="loading"))
            try:
                await self._library.load_all()
            except SpeechTuneError as error:
                self._set(ModelState("failed", error=str(error)))
                return
            model = self._library.store.default
            self._set(ModelState("ready", model.digest, dict(model.scorer.thresholds)))
            self._service.admission.state = ServiceState.SERVING

    async def set_thresholds(self, thresholds: dict[str, float]) -> None:
        """As `Recogniser.set_thresholds`."""
        await asyncio.to_thread(_write_thresholds, self._project.model, thresholds)
        await self.reload()

    async def stop(self) -> None:
        """As `Recogniser.stop`."""
        admission = self._service.admission
        admission.state = ServiceState.DRAINING
        for stream in admission.running:
            stream.drain()
        await self._clock.wait(admission.idle, _DRAIN_SECONDS)
        await asyncio.gather(self._loading, return_exceptions=True)
        if self._service.engine is not None:
            await self._service.engine.dispatch.close()
        closings = (self._library.close, self._activity.close, self._scoring.close)
        await asyncio.gather(*(close(_THREADS_SECONDS) for close in closings))
        await asyncio.to_thread(self._hits.close)

    def heard(self) -> list[Heard]:
        """As `Recogniser.heard`."""
        return [_heard(hit) for hit, _ in read_hits(self._project.tried)]

    def samples(self, heard_id: str) -> NDArray[np.float32]:
        """As `Recogniser.samples`."""
        return read_audio(self._found(heard_id)[1])

    def decide(self, heard_id: str, label: str | None) -> None:
        """As `Recogniser.decide`."""
        hit, audio = self._found(heard_id)
        answers = Answers({heard_id: Decision(label)})
        review_hits(self._project.tried, [(hit, audio)], self._project.clips, answers)

    def _found(self, heard_id: str) -> tuple[Hit, Path]:
        for hit, audio in read_hits(self._project.tried):
            if hit.id == heard_id:
                return hit, audio
        raise ManifestError(f"{heard_id!r}: nothing of that name was heard; it may have been decided already")

    def _set(self, state: ModelState) -> None:
        self._state = state
        self.changed()


def _heard(hit: Hit) -> Heard:
    return Heard(
        id=hit.id,
        fired=hit.kind == "detection",
        label=hit.label,
        confidence=hit.confidence,
        threshold=hit.threshold,
        start_seconds=hit.start,
        end_seconds=hit.end,
        session_id=hit.session_id,
        digest=hit.model_digest,
    )


def _write_thresholds(folder: Path, thresholds: dict[str, float]) -> None:
    from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint

    loaded = load_checkpoint(folder)
    for label in thresholds:
        loaded.classifier.labels.index(label)
    training = {**loaded.training, "thresholds_chosen_by": "a person, in the studio"}
    chosen = {**loaded.thresholds, **{label: float(level) for label, level in thresholds.items()}}
    save_checkpoint(replace(loaded, thresholds=chosen, training=training), folder)
