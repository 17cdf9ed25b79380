"""`speechtune import-clips SOURCE --out DIR` and `speechtune export-clips DATA --out DIR`: clips and `datasets`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import DataArgument, SpeakerPatternOption
from speechtune.errors import ConfigError
from speechtune.extras import need


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("import-clips")(import_clips)
    app.command("export-clips")(export_clips)


def import_clips(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="An audiofolder, a folder with Parquet files, one that `save_to_disk` wrote, or an id on the hub.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the manifest, and for audio that lies in tables.")
    ],
    audio: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the audio.")] = "audio",
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the labels.")] = "label",
    speaker: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the speakers, if there is one.")
    ] = "speaker",
    configuration: Annotated[str | None, typer.Option(help="Of the data set, where it has several.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")] = None,
) -> None:
    """Make a manifest for a data set of Hugging Face `datasets`; only an id on the hub needs the network."""
    need("import-clips", "train")
    from speechtune.data.sets.exchange import Columns, load_dataset
    from speechtune.data.sets.manifest import MANIFEST_NAME, write_manifest
    from speechtune.whole_files import why_not_writable

    if reason := why_not_writable(out.absolute()):
        raise ConfigError(f"--out {out}: cannot be written ({reason}); name a folder")
    columns = Columns(audio, label, speaker)
    clip_set = load_dataset(source, out, columns, configuration=configuration, revision=revision)
    out.mkdir(parents=True, exist_ok=True)
    write_manifest(out / MANIFEST_NAME, clip_set)
    sizes = Counter(clip.split for clip in clip_set.clips)
    splits = "".join(f", {sizes[split]} {split}" for split in ("train", "valid", "test") if sizes[split])
    numbers = f"{len(clip_set.clips)} clips, {len(clip_set.labels)} labels, {len(clip_set.speakers)} speakers"
    typer.echo(f"{out / MANIFEST_NAME}: {numbers}{splits}")
    for note in clip_set.notes:
        typer.echo(f"note: {note}")


def export_clips(
    data: DataArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    speaker_pattern: SpeakerPatternOption = None,
) -> None:
    """Copy clips to an audiofolder, which Hugging Face `datasets` loads by `load_dataset(DIR)`."""
    from speechtune.data.sets.exchange import write_audiofolder
    from speechtune.data.sets.loading import load_clips

    clip_set = load_clips(data, speaker_pattern)
    write_audiofolder(clip_set, out)
    typer.echo(f"{out}: {len(clip_set.clips)} clips")
