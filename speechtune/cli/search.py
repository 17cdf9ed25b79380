"""`speechtune search DATA --trials N --out RECIPE`: the head's settings, chosen on clips held out in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import (
    DataArgument,
    NegativesOption,
    RoomOption,
    SetOption,
    SpeakerPatternOption,
    check_out_file,
    keywords_from,
)
from speechtune.errors import ConfigError
from speechtune.extras import need


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(search)


def search(
    data: DataArgument,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Recipe to write; finetune takes it with --recipe.")],
    trials: Annotated[int, typer.Option(help="How many more settings to try.")] = 30,
    study: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Journal of the study, to go on with it. Defaults to a file beside --out."),
    ] = None,
    keywords: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Words to recognise, with commas between; clips of other words become negatives.",
        ),
    ] = None,
    shots: Annotated[int | None, typer.Option(help="How many clips of each keyword to draw. Defaults to all.")] = None,
    negatives: NegativesOption = None,
    room: RoomOption = None,
    noise: Annotated[Path | None, typer.Option(help="Folder of background recordings.")] = None,
    speaker_pattern: SpeakerPatternOption = None,
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings to start from, as TOML.")] = None,
    set_: SetOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Search for better settings of the head; no clip that is declared valid or test is read."""
    need("search", "train", "search")
    from speechtune.recipe_files import load_recipe
    from speechtune.whole_files import write_whole

    journal = out.with_suffix(".study") if study is None else study
    check_out_file(out)
    check_out_file(journal, "--study")
    settings = load_recipe(recipe, set_ or [])
    chosen = keywords_from(keywords)

    from speechtune.cli.terminal.interrupts import interruptible
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.training.devices import parse_device
    from speechtune.training.material.training_set import TrainingData
    from speechtune.training.search import search as run

    wanted = TrainingData(data, chosen, shots, tuple(negatives or ()), noise, speaker_pattern, room=tuple(room or ()))
    left = f"{out} is not written; the trials that are over are in {journal}, run the same command again to go on"
    with interruptible(left), progress_bars() as progress:
        found = run(wanted, journal, settings, trials, progress, parse_device(device))
    try:
        write_whole(out, found.recipe.to_toml())
    except OSError as error:
        raise ConfigError(f"recipe {out}: cannot be written ({error})") from error
    head = found.recipe.head
    typer.echo(
        f"{found.num_trials} trials, {found.num_pruned} ended early; score {found.default_score:.4f} at the start, "
        f"{found.score:.4f} at best, on clips held out in turn (chosen as the best of many, it flatters a little)"
    )
    typer.echo(
        f"l2 {head.l2:.3g}, class_balance {head.class_balance:.2f}, label_smoothing {head.label_smoothing:.3f}, "
        f"decoder_weight {head.decoder_weight:.2f}"
    )
    typer.echo(f"recipe {out}")
