"""The studio's process: puts the page, the recogniser and the port together, and ends in good order."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speechtune.cli.studio_certificate import own_certificate
from speechtune.cli.studio_recogniser import LocalRecogniser, recogniser_config
from speechtune.errors import ConfigError
from speechtune.recipe import Recipe
from speechtune.remote.rollout import ServedFolder, roll_out
from speechtune.studio.comparison import Comparison
from speechtune.studio.project import Project
from speechtune.studio.studio import Studio, TrainingMaterial
from speechtune.studio.takes import Takes
from speechtune.studio.web.app import studio_app
from speechtune_server.process.certificates import CertificateFiles
from speechtune_server.process.config import host_and_port
from speechtune_server.websocket_door.server import WebServer

_TOKEN_BYTES = 24


def own_names() -> tuple[str, ...]:
    """Names of this machine, lower case."""
    name = socket.gethostname().lower()
    return tuple(dict.fromkeys((name, f"{name.partition('.')[0]}.local")))


@dataclass(frozen=True)
class StudioSettings:
    """What the studio is started with.

    Attributes:
        address: HOST:PORT of the page.
        recipe: how is trained.
        negatives, room: as for `TrainingData`.
        compares: whether takes are compared with each other.
        own_certificate: whether the page is served by https with a certificate that the studio makes.
        certificate: chain and key, PEM, to serve it by https with; None: there are none.
        allow_plaintext: whether other machines may be served without https.
        server: where the model can be rolled out to; None: nowhere.
        host_names: names of this machine that the address may have.
    """

    address: str
    recipe: Recipe = field(default_factory=Recipe)
    negatives: tuple[Path, ...] = ()
    room: tuple[Path, ...] = ()
    compares: bool = True
    own_certificate: bool = False
    certificate: tuple[Path, Path] | None = None
    allow_plaintext: bool = False
    server: ServedFolder | None = None
    host_names: tuple[str, ...] = field(default_factory=own_names)


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
    files = _certificate(project, settings)
    given = {} if files is None else {"certificate": files[0], "private_key": files[1]}
    config = recogniser_config(project, settings.host_names, **given)
    recogniser = LocalRecogniser(project, config)
    studio = Studio(
        project,
        Takes(project.clips, project.aside),
        Comparison(settings.recipe.encoder.name if settings.compares else None),
        TrainingMaterial(settings.recipe, settings.negatives, settings.room),
        recogniser,
        None if settings.server is None else ServerRollout(project, settings.server),
    )
    recogniser.changed = lambda: studio.changed("model")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    app = studio_app(studio, token, None if files else settings.host_names)
    server = WebServer(app, config, None if files is None else CertificateFiles(*files, None))
    bound = await server.start(settings.address)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await studio.start()
        on_serving(f"{'http' if files is None else 'https'}://{_reachable(bound)}/#token={token}")
        await stopping.wait()
    finally:
        await studio.stop()
        await server.stop()


@dataclass(frozen=True)
class ServerRollout:
    """The `studio.ports.Rollout` to a server whose model folder this machine sees."""

    project: Project
    server: ServedFolder

    @property
    def address(self) -> str:
        """As `Rollout.address`."""
        return self.server.access.address

    def roll_out(self) -> str:
        """As `Rollout.roll_out`."""
        return roll_out(self.project.model, self.server)


def _certificate(project: Project, settings: StudioSettings) -> tuple[Path, Path] | None:
    """Chain and key to serve the page with; None: it is served without https.

    Raises:
        ConfigError: other machines would be served without, and nobody allowed it; or there can be no certificate.
    """
    try:
        host, _ = host_and_port(settings.address)
    except ValueError as error:
        raise ConfigError(f"--{error}") from error
    if settings.certificate is not None:
        return settings.certificate
    if settings.own_certificate:
        return own_certificate(project.folder / "tls", _certified_names(host, settings.host_names))
    if not settings.allow_plaintext and not _is_loopback(host):
        raise ConfigError(
            f"--address {settings.address}: is reached from other machines, where nobody gets a microphone without "
            "https; add --tls, or --allow-plaintext to serve the page there all the same"
        )
    return None


def _certified_names(host: str, host_names: Sequence[str]) -> tuple[str, ...]:
    own = () if host in ("0.0.0.0", "::") else (host,)
    return tuple(dict.fromkeys(("localhost", "127.0.0.1", *host_names, *own)))


def _reachable(bound: str) -> str:
    """The address for a browser, where the one that is listened on stands for all."""
    host, port = host_and_port(bound)
    return f"{own_names()[0]}:{port}" if host in ("0.0.0.0", "::") else bound


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
