"""The studio's process: puts the page, the recogniser and the port together, and ends in good order."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from speechtune.cli.studio_recogniser import LocalRecogniser, recogniser_config
from speechtune.recipe import Recipe
from speechtune.studio.comparison import Comparison
from speechtune.studio.project import Project
from speechtune.studio.studio import Studio, TrainingMaterial
from speechtune.studio.takes import Takes
from speechtune.studio.web.app import studio_app
from speechtune_server.websocket_door.server import WebServer

_TOKEN_BYTES = 24


@dataclass(frozen=True)
class StudioSettings:
    """What the studio is started with.

    Attributes:
        address: HOST:PORT of the page.
        recipe: how is trained.
        negatives, room: as for `TrainingData`.
        compares: whether takes are compared with each other.
        host_names: names of this machine that the address may have.
    """

    address: str
    recipe: Recipe = field(default_factory=Recipe)
    negatives: tuple[Path, ...] = ()
    room: tuple[Path, ...] = ()
    compares: bool = True
    host_names: tuple[str, ...] = field(default_factory=lambda: (socket.gethostname().lower(),))


def run(project: Project, settings: StudioSettings, on_serving: Callable[[str], None]) -> None:
    """Serve the page until SIGTERM or SIGINT.

    Args:
        project: where everything lies; nobody else writes to its data folder.
        settings: as given.
        on_serving: is told the address to open, with its token.

    Raises:
        AddressInUseError, ConfigError: the address cannot be listened on.
        ManifestError: the data folder cannot be read.
    """
    asyncio.run(_serve(project, settings, on_serving))


async def _serve(project: Project, settings: StudioSettings, on_serving: Callable[[str], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    config = recogniser_config(project, settings.host_names)
    studio = Studio(
        project,
        Takes(project.clips, project.aside),
        Comparison(settings.recipe.encoder.name if settings.compares else None),
        TrainingMaterial(settings.recipe, settings.negatives, settings.room),
        recogniser := LocalRecogniser(project, config),
    )
    recogniser.changed = lambda: studio.changed("model")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    server = WebServer(studio_app(studio, token, settings.host_names), config, None)
    bound = await server.start(settings.address)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await studio.start()
        on_serving(f"http://{bound}/#token={token}")
        await stopping.wait()
    finally:
        await studio.stop()
        await server.stop()
