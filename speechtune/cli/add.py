"""`speechtune add CKPT DATA --keywords A,B` and `speechtune remove CKPT --keywords A,B`: a checkpoint's words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import (
    CheckpointArgument,
    DataArgument,
    NegativesOption,
    RoomOption,
    SpeakerPatternOption,
    keywords_from,
)
from speechtune.errors import ConfigError
from speechtune.extras import need

if TYPE_CHECKING:
    from speechtune.recipe import Recipe

OutOption = Annotated[
    Path | None, typer.Option(metavar="CKPT", help="Folder to write to. Defaults to replacing the checkpoint.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(add)
    app.command()(remove)


def add(
    checkpoint: CheckpointArgument,
    data: DataArgument,
    keywords: Annotated[str, typer.Option(metavar="A,B", help="Words to add, with commas between.")],
    old: Annotated[
        list[Path] | None, typer.Option(metavar="DATA", help="Clips of the old words, if DATA does not hold them.")
    ] = None,
    out: OutOption = None,
    negatives: NegativesOption = None,
    room: RoomOption = None,
    noise: Annotated[Path | None, typer.Option(help="Folder of background recordings.")] = None,
    speaker_pattern: SpeakerPatternOption = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings as TOML. Defaults to the checkpoint's own.")
    ] = None,
    method: Annotated[str, typer.Option(help="What is tuned: head, lora, top, full or auto.")] = "head",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    profile: Annotated[bool, typer.Option("--profile", help="Show the wall time of every stage.")] = False,
) -> None:
    """Add keywords to a checkpoint; the old ones' clips are heard again, so that they are not forgotten."""
    need("add", "train")
    from speechtune.models.checkpoints.files import read_summary
    from speechtune.models.checkpoints.hub import local_folder
    from speechtune.recipe_files import load_recipe

    place = _destination(checkpoint, out)
    new = keywords_from(keywords) or ()
    settings = read_summary(local_folder(checkpoint)).recipe if recipe is None else load_recipe(recipe)
    settings = _with_method(settings, method)

    from speechtune.cli.finetune import show_result
    from speechtune.cli.terminal.interrupts import interruptible
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.models.checkpoints.writing import check_destination
    from speechtune.training.devices import is_main_process, parse_device
    from speechtune.training.material.training_set import TrainingData
    from speechtune.training.vocabulary import add_keywords

    wanted = TrainingData(
        data,
        negatives=tuple(negatives or ()),
        noise=noise,
        speaker_pattern=speaker_pattern,
        more=tuple(old or ()),
        room=tuple(room or ()),
    )
    check_destination(place)
    left = f"{place} is as it was" if place.exists() else f"{place} is not written"
    with interruptible(left), progress_bars() as progress:
        result = add_keywords(checkpoint, wanted, new, place, settings, progress, parse_device(device))
    if is_main_process():
        show_result(result, place, profile)


def remove(
    checkpoint: CheckpointArgument,
    keywords: Annotated[str, typer.Option(metavar="A,B", help="Words to drop, with commas between.")],
    out: OutOption = None,
) -> None:
    """Drop keywords: they are rejected from now on, like any other word; the rest answers as before."""
    need("remove", "train")
    words = keywords_from(keywords) or ()

    from speechtune.training.vocabulary import remove_keywords

    place = _destination(checkpoint, out)
    kept = remove_keywords(checkpoint, words, place).classifier.labels.keywords
    typer.echo(f"checkpoint {place}: {', '.join(kept)}")


def _destination(checkpoint: Path, out: Path | None) -> Path:
    from speechtune.models.checkpoints.hub import hub_name

    if out is None and hub_name(checkpoint) is not None:
        raise ConfigError(f"--out: name a folder; {checkpoint} is on the Hugging Face hub, and is not replaced there")
    return checkpoint if out is None else out


def _with_method(settings: Recipe, method: str) -> Recipe:
    from speechtune.recipe_files import parse_recipe

    tune = parse_recipe(f"[tune]\nmethod = {method!r}", "--method").tune
    return settings.model_copy(update={"tune": settings.tune.model_copy(update={"method": tune.method})})
