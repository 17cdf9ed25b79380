"""`speechtune studio [DIR]`: a local page to record, train and try. Here the studio is put together and served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import NegativesOption, RoomOption
from speechtune.errors import ConfigError
from speechtune.extras import need
from speechtune.remote.server_access import (
    AuthoritiesOption,
    CertificateOption,
    KeyFileOption,
    PrivateKeyOption,
    ServerAccess,
)


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
    tls: Annotated[
        bool, typer.Option("--tls", help="Serve the page by https, with a certificate of its own made by openssl.")
    ] = False,
    page_certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Serve the page by https, with this certificate chain.")
    ] = None,
    page_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Of --page-certificate.")] = None,
    allow_plaintext: Annotated[
        bool, typer.Option("--allow-plaintext", help="Serve other machines without https too; no microphone there.")
    ] = False,
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Running server that the model can be rolled out to.")
    ] = None,
    server_models: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Model folder of --server, as this machine sees it.")
    ] = None,
    authorities: AuthoritiesOption = None,
    certificate: CertificateOption = None,
    private_key: PrivateKeyOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Open a page to record commands, train on them and try the model; it needs no network.

    The address has a token in it that lets the page in.
    """
    need("the studio", "train", "studio")
    if (server is None) != (server_models is None):
        raise ConfigError("--server and --server-models belong together: name both")
    if (page_certificate is None) != (page_key is None):
        raise ConfigError("--page-certificate and --page-key belong together: name both")
    from speechtune.data.sets.folder_lock import sole_writer
    from speechtune.recipe_files import load_recipe
    from speechtune.remote.rollout import ServedFolder
    from speechtune.studio.project import open_project

    overrides = [*(set_ or []), *([] if encoder is None else [f"encoder.name={encoder}"])]
    settings = load_recipe(recipe, overrides)
    project = open_project(folder, clips, model)
    from speechtune.cli.studio_process import StudioSettings, run

    with sole_writer(project.clips):
        run(
            project,
            StudioSettings(
                address=address,
                recipe=settings,
                negatives=tuple(negatives or ()),
                room=tuple(room or ()),
                compares=compare,
                own_certificate=tls,
                certificate=None if page_certificate is None or page_key is None else (page_certificate, page_key),
                allow_plaintext=allow_plaintext,
                server=None
                if server is None or server_models is None
                else ServedFolder(ServerAccess(server, authorities, certificate, private_key, key_file), server_models),
            ),
            lambda shown: typer.echo(f"studio: {shown}"),
        )
