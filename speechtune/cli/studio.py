"""`speechtune studio [DIR]`: a local page to record, train and try. Here the studio is put together and served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import NegativesOption, RoomOption
from speechtune.errors import ConfigError

if TYPE_CHECKING:
    from speechtune.studio.studio import Studio

_NO_ENCODER = "none"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(studio)


def studio(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder of the studio; it holds clips, model and report.")
    ] = Path("studio"),
    clips: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Data folder to record into. Defaults to clips in DIR.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="CKPT", help="Checkpoint to write and try. Defaults to model in DIR.")
    ] = None,
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address of the page. Port 0 takes a free one.")
    ] = "127.0.0.1:8770",
    encoder: Annotated[str | None, typer.Option(help="Short name, local folder, or Hugging Face id.")] = None,
    negatives: NegativesOption = None,
    room: RoomOption = None,
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings as TOML.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as augment.copies=20.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Compare each take with those that were kept.")
    ] = True,
) -> None:
    """Open a page to record commands, train on them and try the model; it needs no network.

    The address has a token in it that lets the page in.
    """
    from speechtune.data.sets.folder_lock import sole_writer
    from speechtune.recipe_files import load_recipe
    from speechtune.studio.comparison import Comparison
    from speechtune.studio.project import open_project
    from speechtune.studio.studio import Studio, TrainingMaterial
    from speechtune.studio.takes import Takes

    overrides = [*(set_ or []), *([] if encoder is None else [f"encoder.name={encoder}"])]
    settings = load_recipe(recipe, overrides)
    project = open_project(folder, clips, model)
    with sole_writer(project.clips):
        made = Studio(
            project,
            Takes(project.clips, project.aside),
            Comparison(settings.encoder.name if compare else None),
            TrainingMaterial(settings, tuple(negatives or ()), tuple(room or ())),
        )
        _serve(made, address)


def _serve(made: Studio, address: str) -> None:
    """Serve the page until SIGTERM or SIGINT."""
    import secrets
    import socket

    try:
        import uvicorn

        from speechtune.studio.web.app import studio_app
    except ImportError as error:
        raise ConfigError(f"studio: a part is missing ({error}); run: pip install 'speechtune[studio]'") from error
    from speechtune.errors import AddressInUseError
    from speechtune_server.process.config import host_and_port

    try:
        host, port = host_and_port(address)
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except ValueError as error:
        raise ConfigError(f"--address: {error}") from error
    except OSError as error:
        raise AddressInUseError(
            f"--address {address}: cannot be listened on ({error.strerror}); name another"
        ) from error
    token = secrets.token_urlsafe(24)
    config = uvicorn.Config(
        studio_app(made, token, {socket.gethostname()}),
        log_level="warning",
        access_log=False,
        ws_max_size=1 << 20,
        timeout_graceful_shutdown=3,
        lifespan="on",
    )
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"studio: http://{shown}:{bound.getsockname()[1]}/#token={token}")
    uvicorn.Server(config).run(sockets=[bound])
