"""`speechtune compare A B [DATA]`: is B better than A, on the same clips?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import SpeakerPatternOption, SyntheticOption, check_out_file
from speechtune.errors import ConfigError
from speechtune.extras import need

if TYPE_CHECKING:
    from rich.console import Console

    from speechtune.data.sets.clips import ClipSet
    from speechtune.evaluation.answers.predictions import Predictions

_SystemArgument = Annotated[
    Path, typer.Argument(help="A checkpoint, an exported .onnx file, or a file of predictions (.jsonl).")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(compare)


def compare(
    a: _SystemArgument,
    b: _SystemArgument,
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="Test clips; two files of predictions need none.")
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write everything, with the clips that changed, as JSON.")
    ] = None,
    speaker_pattern: SpeakerPatternOption = None,
    synthetic: SyntheticOption = False,
) -> None:
    """Compare two systems clip by clip: McNemar's test, and the difference of every headline with its interval."""
    need("compare", "train")
    from rich.console import Console

    from speechtune.evaluation.clips.comparison import compare as compare_predictions
    from speechtune.evaluation.reports.comparison import render_comparison, write_comparison

    if out is not None:
        check_out_file(out)
    console = Console()
    tested = None if data is None else _tested(data, speaker_pattern, synthetic, console)
    found = compare_predictions(_predictions(a, tested), _predictions(b, tested))
    console.print(render_comparison(found))
    if out is not None:
        console.print(f"figures {write_comparison(found, out)}", highlight=False, markup=False, soft_wrap=True)


def _tested(data: Path, speaker_pattern: str | None, synthetic: bool, console: Console) -> ClipSet:
    from speechtune.data.choice.eligibility import clips_to_test_on
    from speechtune.data.sets.loading import load_clips

    clip_set = load_clips(data, speaker_pattern)
    clips, note = clips_to_test_on(clip_set, with_synthetic=synthetic)
    if note is not None:
        console.print(f"note: {note}", style="yellow", highlight=False, markup=False)
    return clip_set.with_clips(clips)


def _predictions(system: Path, tested: ClipSet | None) -> Predictions:
    from speechtune.evaluation.answers.files import load_predictions

    if system.suffix.lower() == ".jsonl":
        return load_predictions(system)
    if tested is None:
        raise ConfigError(f"compare: {system} is no file of predictions (.jsonl); name test clips for it (DATA)")
    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.evaluation.clips.scoring import answer_clips
    from speechtune.models.opened import open_model

    with progress_bars() as progress:
        return answer_clips(open_model(system).scorer, tested.clips, root=tested.root, progress=progress)
