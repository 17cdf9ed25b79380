"""`speechtune synthesize WORDS --out DIR`: clips of words in many voices, for a first try or as more training clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.cli.options import keywords_from


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(synthesize)


def synthesize(
    words: Annotated[str, typer.Argument(metavar="A,B", help="What to say, with commas between; each is a label.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to make.")],
    takes: Annotated[int, typer.Option(min=1, help="Clips of each word.")] = 20,
    near_misses: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many texts that are almost each word to say, for _unknown_; each in a quarter of the takes.",
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the draw of voices, pace, pitch, level and noise.")] = 0,
) -> None:
    """Synthesise words in many voices; the manifest marks them as synthetic, so that they never judge a model."""
    from rich.console import Console

    from speechtune.data.synthesis.near_misses import near_misses as find_near_misses
    from speechtune.data.synthesis.synthetic_sets import Line, synthesize_set
    from speechtune.data.synthesis.voices import voices
    from speechtune.labels import UNKNOWN

    commands = keywords_from(words, "WORDS") or ()
    lines = [Line(command, command, takes) for command in commands]
    if near_misses:
        missed = find_near_misses(commands, near_misses, seed)
        lines += [Line(UNKNOWN, text, max(takes // 4, 1)) for texts in missed.values() for text in texts]
    clip_set = synthesize_set(out, lines, voices(), seed)
    told = f"{out}: {len(clip_set.clips)} clips of {len(clip_set.labels)} labels in {len(clip_set.speakers)} voices"
    Console().print(told, markup=False, highlight=False)
