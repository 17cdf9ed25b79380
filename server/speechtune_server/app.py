"""The composition root: puts the parts together, listens, serves, and stops without losing what was received.

Stopping: health says NOT_SERVING and nobody new is let in; running streams are warned, and a notice later take no more
audio, answer what they received, and say `Ended{DRAINING}`; what is not done by the deadline is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

import grpc.aio
from grpc_reflection.v1alpha import reflection

from speechtune.errors import ConfigError
from speechtune.streaming.voice.activity import ActivityModel, SileroActivity
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_client.v1 import model_admin_pb2_grpc as admin_grpc
from speechtune_server.doors import Doors
from speechtune_server.engine.backends import loader_for
from speechtune_server.engine.dispatch import Dispatch
from speechtune_server.engine.model_library import ModelLibrary
from speechtune_server.engine.model_store import LoadModel
from speechtune_server.engine.reloads import Reloads
from speechtune_server.engine.runner import Runner
from speechtune_server.grpc_door.admin import SERVICE_NAME as ADMIN_SERVICE
from speechtune_server.grpc_door.admin import ModelAdmin
from speechtune_server.grpc_door.health import HEALTH_SERVICE, Health
from speechtune_server.grpc_door.interceptors import CallInterceptor
from speechtune_server.grpc_door.recognition import CommandRecognition
from speechtune_server.grpc_door.socket import bind, server_options
from speechtune_server.grpc_door.tls import credentials_of
from speechtune_server.hits.keeper import HitKeeper
from speechtune_server.live.service import Engine, Service
from speechtune_server.process.access import Access, read_keys
from speechtune_server.process.admission import Admission, ServiceState
from speechtune_server.process.calls import Calls
from speechtune_server.process.capacity import streams_carried
from speechtune_server.process.certificates import CertificateFiles
from speechtune_server.process.clock import Clock, MonotonicClock
from speechtune_server.process.config import ServerConfig
from speechtune_server.process.logs import configure_logs
from speechtune_server.process.machine import this_machine
from speechtune_server.process.metrics import ModelInForce, metrics_for
from speechtune_server.process.tracing import tracing_for

SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["CommandRecognition"].full_name

_FLUSH_SECONDS = 0.5
"""For statuses that are on their way when the last stream has ended."""
_THREADS_SECONDS = 1.0
"""For each kind of thread to end what it is at; one that hangs is left behind."""

_log = logging.getLogger(__name__)


class RecognitionServer:
    """One server, from `start` to `stop`; to be made inside a running event loop.

    Args:
        config: the settings.
        load_model: turns a name and a place into a model, in the models' thread; None: as the settings say.
        load_activity: makes the voice activity model; runs there too.
        clock: tells the time.
    """

    def __init__(
        self,
        config: ServerConfig,
        load_model: LoadModel | None = None,
        load_activity: Callable[[], ActivityModel] = SileroActivity,
        clock: Clock | None = None,
    ) -> None:
        self.address = ""
        """HOST:PORT it listens on for gRPC, once started."""
        self.has_ended = True
        """Whether, once stopped, no thread of it goes on."""
        self._machine = this_machine()
        self._settings = config
        config = config.with_streams(streams_carried([config.backend], self._machine))
        self.admission = Admission(
            config.stream_limit,
            config.max_clips,
            config.streams_per_client,
            config.clips_per_client,
            config.max_start_wait_seconds,
        )
        self._config = config
        self._load_activity = load_activity
        self._clock = clock or MonotonicClock()
        self._runner = Runner(config.num_workers or len(os.sched_getaffinity(0)), "scoring")
        self._activity_runner = Runner(1, "voice-activity")
        self._hurry = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._health = Health((SERVICE_NAME, ADMIN_SERVICE))
        self._metrics = metrics_for(config.metrics_address)
        self._library = ModelLibrary(
            load_model or loader_for(config.backend, config.export_folder, config.num_threads, self._machine),
            config.models,
            config.default_model_name,
            config.model_folder,
            config.max_load_seconds,
        )
        self._hits = _hits_of(config)
        self._service = Service(config, self.admission, self._clock, self._metrics, self._hits)
        self._access = Access(read_keys(config.keys) if config.keys else None, config.open_admin, self._clock)
        self._tracing = tracing_for(config.trace)
        calls = Calls(self._access, self._metrics, self._tracing)
        self.doors = Doors(self._service, calls)
        """Those beside gRPC."""
        interceptor = CallInterceptor(calls, self.admission, config.max_body_seconds)
        self._grpc = grpc.aio.server(interceptors=[interceptor], options=server_options(config))
        pb_grpc.add_CommandRecognitionServicer_to_server(CommandRecognition(self._service), self._grpc)
        admin_grpc.add_ModelAdminServicer_to_server(ModelAdmin(self._library, self.admission), self._grpc)
        self._health.add_to(self._grpc)
        services = (SERVICE_NAME, ADMIN_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(services, self._grpc)

    async def start(self) -> str:
        """Listen, load the models, serve. Gives the address that is listened on, with its real port.

        Raises:
            AddressInUseError: the port is taken.
            ConfigError: the address cannot be listened on.
            ModelError: a checkpoint cannot be used.
        """
        try:
            await self._health.set_serving(False)
            # The port first: that it is taken should be known before seconds are spent on models.
            files = self._certificate()
            self.address = bind(self._grpc, self._config.address, credentials_of(files) if files else None)
            self._metrics.start(self.admission, self._models_in_force)
            await self._grpc.start()
            await self.doors.start(files)
            self._service.engine = await self._load()
            self._take_what_fits()
        except BaseException:
            self.admission.state = ServiceState.DRAINING  # who waits for the start is told
            await self._close(_FLUSH_SECONDS)
            raise
        self.admission.state = ServiceState.SERVING
        await self._health.set_serving(True)
        _log.info("serving on %s", self.address)
        return self.address

    async def stop(self) -> None:
        """Drain, then close."""
        self.admission.state = ServiceState.DRAINING
        await self._health.set_serving(False)
        _log.info("draining %d calls", self.admission.num_calls)
        for stream in self.admission.running:
            stream.warn(self._config.drain_notice_seconds)
        await self._wait_idle(self._config.drain_notice_seconds)
        for stream in self.admission.running:
            stream.drain()
        await self._wait_idle(self._config.drain_deadline_seconds)
        if self.admission.num_calls:
            _log.warning("%d calls were not finished by the deadline and are cut off", self.admission.num_calls)
        await self._close(_FLUSH_SECONDS)
        _log.info("stopped")

    def hurry(self) -> None:
        """Cut the draining short."""
        self._hurry.set()

    async def reload(self) -> None:
        """Read the keys again, and load again the models whose files have changed; what is bad replaces nothing."""
        if self._config.keys is not None:
            try:
                self._access.replace(await asyncio.to_thread(read_keys, self._config.keys))
            except ConfigError as error:
                _log.error("the keys stay as they are: %s", error)
        await self._library.reload()

    def _models_in_force(self) -> list[ModelInForce]:
        store = self._library.store
        return [
            ModelInForce(model.name, model.digest, model.precision, model is store.default) for model in store.models
        ]

    def _certificate(self) -> CertificateFiles | None:
        config = self._config
        if config.certificate is None or config.private_key is None:
            return None
        files = CertificateFiles(config.certificate, config.private_key, config.client_authorities)
        self._metrics.watch_certificate(lambda: files.seconds_left)
        self._watching = asyncio.create_task(self._health.watch_certificate(files.look))
        return files

    async def _load(self) -> Engine:
        activity = await self._activity_runner.run(self._load_activity)
        await self._library.load_all()
        dispatch = Dispatch(
            self._activity_runner,
            self._runner,
            activity,
            self._config.max_batch,
            self._config.max_wait_ms / 1000,
            self._clock,
            self._config.max_compute_seconds,
            self._metrics,
            self._tracing,
        )
        self._metrics.watch_queues(
            {"scoring": lambda: dispatch.num_waiting_scores, "activity": lambda: dispatch.num_waiting_activity}
        )
        return Engine(self._library, dispatch)

    def _take_what_fits(self) -> None:
        """Take as many streams as the models that were loaded leave room for, unless the settings say how many."""
        backends = [model.chosen.backend for model in self._library.store.models if model.chosen is not None]
        config = self._settings.with_streams(streams_carried(backends, self._machine))
        self._service.config = config
        self.admission.allow_streams(config.stream_limit, config.streams_per_client)
        _log.info("up to %d streams at once, on %d cores", config.stream_limit, self._machine.num_cores)

    async def _wait_idle(self, seconds: float) -> None:
        waits: set[asyncio.Task[Any]] = {
            asyncio.create_task(self._clock.wait(self.admission.idle, seconds)),
            asyncio.create_task(self._hurry.wait()),
        }
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def _close(self, grace_seconds: float) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await self._grpc.stop(grace_seconds)
        await self.doors.stop()
        if self._service.engine is not None:
            await self._service.engine.dispatch.close()
        self._metrics.stop()
        closings = (self._library.close, self._activity_runner.close, self._runner.close)
        self.has_ended = all(await asyncio.gather(*(close(_THREADS_SECONDS) for close in closings)))
        await asyncio.to_thread(self._tracing.close)
        if self._hits is not None:
            self.has_ended &= await asyncio.to_thread(self._hits.close)


def _hits_of(config: ServerConfig) -> HitKeeper | None:
    if config.keep_hits is None:
        return None
    _log.warning("the audio of detections and near misses is kept in %s", config.keep_hits)
    return HitKeeper(config.keep_hits, config.keep_hits_max_bytes, config.keep_hits_max_days * 86_400)


async def serve(
    config: ServerConfig,
    on_serving: Callable[[str], None] | None = None,
    load_model: LoadModel | None = None,
    load_activity: Callable[[], ActivityModel] = SileroActivity,
) -> bool:
    """Serve until SIGTERM or SIGINT, then drain; a second signal cuts the draining short, one during the start ends it.

    Args:
        config: the settings.
        on_serving: is told the address, with its real port, once calls are taken.
        load_model, load_activity: as for `RecognitionServer`.

    Returns:
        Whether all has ended; else a thread hangs, and the process cannot end by itself.

    Raises:
        AddressInUseError, ConfigError, ModelError: as `RecognitionServer.start`.
    """
    server = RecognitionServer(config, load_model, load_activity)
    stopping = asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():
            server.hurry()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    reloads = Reloads(server.reload)
    loop.add_signal_handler(signal.SIGHUP, reloads.ask)
    try:
        if await _started(server, stopping):
            if on_serving is not None and not stopping.is_set():
                on_serving(server.address)
            await stopping.wait()
            await reloads.stop()
            await server.stop()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
    return server.has_ended


async def _started(server: RecognitionServer, stopping: asyncio.Event) -> bool:
    """Start it; False: it is to stop before it serves."""
    starting, waiting = asyncio.create_task(server.start()), asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
    if starting.cancelled():
        return False
    starting.result()
    return True


def run(config: ServerConfig, on_serving: Callable[[str], None] | None = None) -> None:
    """`serve`, for a caller that has no event loop."""
    configure_logs(config.log_format, config.log_level)
    if not asyncio.run(serve(config, on_serving)):
        # Python would wait for the thread that hangs, for ever.
        _log.error("a model or a disk still works on something; it is left behind")
        logging.shutdown()
        os._exit(0)
