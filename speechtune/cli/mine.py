"""`speechtune mine CKPT RECORDINGS… --out hard/`: what fires in a room where nobody commands becomes negatives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import BackendOption, ModelArgument
from speechtune.evaluation.streams.margin import DEFAULT_MARGIN, DEFAULT_MOST
from speechtune.extras import need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from speechtune.evaluation.reports.mined_folder import Also, Miner
    from speechtune.evaluation.streams.mining import HardStretch, Mining
    from speechtune.evaluation.streams.playback import Playback
    from speechtune.evaluation.streams.recordings import Recording


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(mine)


def mine(
    checkpoint: ModelArgument,
    recordings: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORDINGS...",
            help="Long recordings of the place, or folders of them: talk, television, radio. What the label track "
            "(.txt) beside one says was said is left out.",
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for clips, manifest and page.")],
    margin: Annotated[
        float,
        typer.Option(
            metavar="LOGITS", help="How far below its threshold a keyword still nearly fires; 0 keeps only what fired."
        ),
    ] = DEFAULT_MARGIN,
    most: Annotated[int, typer.Option(min=1, help="Keep at most so many clips, the strongest.")] = DEFAULT_MOST,
    backend: BackendOption = None,
) -> None:
    """Listen to long recordings, and cut out what fires or nearly does: negatives for speechtune finetune.

    Nothing of it should be a command. The page mined.html in the folder plays every clip, so that a person can confirm;
    speechtune review takes commands out.
    """
    need("mine", "train")
    from rich.console import Console

    from speechtune.cli.terminal.progress import progress_bars
    from speechtune.evaluation.reports.mined_folder import MINED_PAGE_NAME, Miner, check_new_folder, write_mined
    from speechtune.evaluation.streams.margin import check_margin
    from speechtune.evaluation.streams.mining import mine as find
    from speechtune.evaluation.streams.playback import play
    from speechtune.evaluation.streams.recordings import check_readable, check_words
    from speechtune.models.opened import open_model
    from speechtune.streaming.voice.activity import SileroActivity

    check_margin(margin)
    check_new_folder(out)
    found = _recordings(recordings)
    check_readable(found)
    model = open_model(checkpoint, backend)
    check_words(found, model.labels.keywords)
    with progress_bars() as progress:
        playback = play(model.scorer, SileroActivity(), found, model.settings, progress)
    mining = find(playback, margin, most)
    console = Console()
    _tell(console, playback, mining)
    if not mining.stretches:
        console.print(f"nothing to learn from: {out} is not made", highlight=False, markup=False, soft_wrap=True)
        return
    miner = Miner(model.name, model.digest)
    write_mined(out, mining, miner, also=_hit_writer(miner))
    for line in (
        f"clips {out}: listen to {out / MINED_PAGE_NAME}; should one of them be a command, take it out with: "
        f"speechtune review {out} --out DATA",
        f"then: speechtune finetune DATA --negatives {out} --out CKPT",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _recordings(sources: Sequence[Path]) -> list[Recording]:
    """All recordings, each once; where there are several folders, names begin with the folder's."""
    from dataclasses import replace

    from speechtune.evaluation.streams.recordings import find_recordings

    found: dict[Path, Recording] = {}
    for source in sources:
        for recording in find_recordings(source):
            is_one_of_many = len(sources) > 1 and source.is_dir()
            name = f"{source.resolve().name}/{recording.name}" if is_one_of_many else recording.name
            found.setdefault(recording.path.resolve(), replace(recording, name=name))
    return list(found.values())


def _tell(console: Console, playback: Playback, mining: Mining) -> None:
    num_truth = sum(one.recording.has_truth for one in playback.heard)
    num_near = len(mining.stretches) - mining.num_fired
    console.print(
        f"{playback.audio_seconds / 60.0:.1f} minutes in {len(playback.heard)} recordings, {num_truth} of them with "
        f"a label track: {mining.num_fired} stretches fired, {num_near} came within {mining.margin:g} logits of a "
        "threshold",
        highlight=False,
    )
    if mining.stretches:
        console.print(_table(playback, mining))
    if mining.num_on_words:
        console.print(f"left out: {mining.num_on_words} stretches where a command is said", highlight=False)
    if mining.num_weaker:
        console.print(f"left out: {mining.num_weaker} weaker stretches (--most takes more)", highlight=False)


def _table(playback: Playback, mining: Mining) -> Table:
    from rich.table import Table
    from rich.text import Text

    fired, near = mining.counts(fired=True), mining.counts(fired=False)
    table = Table("keyword", box=None, pad_edge=False)
    for heading in ("threshold", "fired", "nearly"):
        table.add_column(heading, justify="right")
    for label, level in playback.session_thresholds.items():
        table.add_row(Text(label), f"{level:.3f}", str(fired.get(label, 0)), str(near.get(label, 0)))
    return table


def _hit_writer(miner: Miner) -> Also:
    """Writes beside each clip what a server writes of a hit, so that `speechtune review` takes the folder."""
    from speechtune.audio.timebase import seconds_from_samples
    from speechtune_server.hits.files import Hit, HitScore, write_hit_line

    def write(folder: Path, name: str, stretch: HardStretch) -> None:
        hit = Hit(
            id=name,
            kind="detection" if stretch.fired else "near miss",
            label=stretch.label,
            confidence=round(stretch.confidence, 6),
            threshold=round(stretch.threshold, 6),
            alternatives=tuple(
                HitScore(label=one.label, confidence=round(one.confidence, 6)) for one in stretch.alternatives
            ),
            start=seconds_from_samples(stretch.start_sample),
            end=seconds_from_samples(stretch.end_sample),
            audio_start=stretch.offset_seconds,
            model=miner.model,
            model_digest=miner.digest,
            session_id=stretch.recording.name,
        )
        write_hit_line(folder, hit)

    return write
