"""`speechtune studio [DIR]`: a local page to record, train and try. Here the studio is put together and served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import NegativesOption, RoomOption
from speechtune.errors import ConfigError


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
    from speechtune.studio.project import open_project

    overrides = [*(set_ or []), *([] if encoder is None else [f"encoder.name={encoder}"])]
    settings = load_recipe(recipe, overrides)
    project = open_project(folder, clips, model)
    try:
        from speechtune.cli.studio_process import StudioSettings, run
    except ImportError as error:
        raise ConfigError(f"studio: {error.name} is missing; run: pip install 'speechtune[studio]'") from error
    with sole_writer(project.clips):
        run(
            project,
            StudioSettings(
                address=address,
                recipe=settings,
                negatives=tuple(negatives or ()),
                room=tuple(room or ()),
                compares=compare,
            ),
            lambda shown: typer.echo(f"studio: {shown}"),
        )
