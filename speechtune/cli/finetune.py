"""`speechtune finetune DATA --out CKPT`: a few clips of each command become a checkpoint."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import (
    DEFAULT_ADDRESS,
    DataArgument,
    NegativesOption,
    RoomOption,
    SetOption,
    SpeakerPatternOption,
    keywords_from,
)
from speechtune.extras import need

if TYPE_CHECKING:
    from speechtune.training.finetune import FinetuneResult


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(finetune)


def finetune(
    data: DataArgument,
    out: Annotated[Path, typer.Option(metavar="CKPT", help="Folder to write the checkpoint to.")],
    encoder: Annotated[str | None, typer.Option(help="Short name, local folder, or Hugging Face id.")] = None,
    keywords: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Words to recognise, with commas between; clips of other words become negatives.",
        ),
    ] = None,
    shots: Annotated[int | None, typer.Option(help="How many clips of each keyword to draw. Defaults to all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.")] = None,
    negatives: NegativesOption = None,
    room: RoomOption = None,
    noise: Annotated[Path | None, typer.Option(help="Folder of background recordings.")] = None,
    speaker_pattern: SpeakerPatternOption = None,
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="Recipe, a TOML file.")] = None,
    set_: SetOption = None,
    method: Annotated[
        str | None, typer.Option(help="What is tuned: head, lora, top, full; auto chooses by the data and says why.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="CKPT", help="Go on from encoder and window of this checkpoint.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    profile: Annotated[bool, typer.Option("--profile", help="Show the wall time of every stage.")] = False,
) -> None:
    """Fine-tune on a few clips of each command and write a checkpoint."""
    need("finetune", "train")
    from speechtune.recipe_files import load_recipe

    overrides = list(set_ or [])
    if encoder is not None:
        overrides.append(f"encoder.name={encoder}")
    if seed is not None:
        overrides.append(f"seed={seed}")
    if method is not None:
        overrides.append(f"tune.method={method}")
    settings = load_recipe(recipe, overrides)
    chosen = keywords_from(keywords)

    from speechtune.cli.terminal.interrupts import interruptible
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.models.checkpoints.writing import check_destination
    from speechtune.training.devices import is_main_process, parse_device
    from speechtune.training.finetune import TrainingData
    from speechtune.training.finetune import finetune as run

    check_destination(out)
    is_first = not out.exists()
    with interruptible(lambda: _left_of(out, is_first)), progress_bars() as progress:
        wanted = TrainingData(
            data, chosen, shots, tuple(negatives or ()), noise, speaker_pattern, room=tuple(room or ())
        )
        result = run(wanted, out, settings, progress, start=from_, device=parse_device(device))
    if is_main_process():
        show_result(result, out, profile)
        if is_first:
            _show_next(out, data, speaker_pattern)


def _left_of(out: Path, is_first: bool) -> str:
    """What an interrupted run leaves."""
    from speechtune.training.finetune import saved_state_of

    left = f"{out} is not written" if is_first else f"{out} is as it was"
    if saved_state_of(out).exists():
        return f"{left}; run the same command again to go on from the last saved step of the encoder"
    return left


def _show_next(out: Path, data: Path, speaker_pattern: str | None) -> None:
    """The commands that come next, for whoever has made a first checkpoint."""
    from rich.console import Console

    from speechtune.data.sets.loading import load_clips

    has_test_clips = any(clip.split == "test" for clip in load_clips(data, speaker_pattern).clips)
    test_clips = shlex.quote(str(data)) if has_test_clips else "TEST-CLIPS"
    model, report = (shlex.quote(str(path)) for path in (out, out.with_name(f"{out.name}-report")))
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print("next:" if has_test_clips else f"next (TEST-CLIPS: clips of people who are not in {data}):")
    console.print(f"  speechtune evaluate {model} {test_clips} --out {report}")
    console.print(f"  speechtune serve {model} --address {DEFAULT_ADDRESS}")
    console.print(f"  speechtune stream mic --address {DEFAULT_ADDRESS}")


def show_result(result: FinetuneResult, out: Path, profile: bool) -> None:
    """Print what came out, for a person."""
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False)
    point, labels = result.operating_point, result.checkpoint.classifier.labels
    table = Table("keyword", "clips", "threshold", box=None, pad_edge=False)
    for keyword in labels.keywords:
        table.add_row(keyword, str(result.num_clips.get(keyword, 0)), f"{point.thresholds[keyword]:.3f}")
    console.print(table)
    num_words = sum(result.num_clips.get(word, 0) > 0 for word in labels.negatives)
    num_negatives = sum(result.num_clips.get(word, 0) for word in labels.negatives)
    console.print(f"{num_negatives} negative clips of {num_words} words")
    if point.detection_rate is not None and point.false_accept_rate is not None:
        console.print(
            f"on clips held out in turn: {point.detection_rate:.1%} of the keywords detected, "
            f"{point.false_accept_rate:.1%} of the negatives taken for one (an estimate; see speechtune evaluate)"
        )
    if result.summary:
        console.print(result.summary, highlight=False)
    for note in result.notes:
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False)
    if result.advice:
        console.print(result.advice, highlight=False)
    if profile:
        for stage, seconds in result.seconds.items():
            console.print(f"{stage:<14}{seconds:8.2f} s")
    console.print(f"checkpoint {out} ({sum(result.seconds.values()):.1f} s)", highlight=False)
