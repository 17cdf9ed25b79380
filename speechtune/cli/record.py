"""`speechtune record DIR --commands A,B`: record commands take by take, each judged at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechtune.cli.options import MicrophoneOption, keywords_from
from speechtune.errors import EncoderUnavailableError

if TYPE_CHECKING:
    from rich.console import Console

    from speechtune.data.sets.growing import GrowingSet
    from speechtune.record.driver import RecordingOutcome
    from speechtune.record.ports import Ear, Operator
    from speechtune.record.takes import Take

_NO_ENCODER = "none"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(record)


def record(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the recordings; it may hold some already.")],
    commands: Annotated[str | None, typer.Option(metavar="A,B", help="What to say, with commas between.")] = None,
    takes: Annotated[int, typer.Option(help="Takes of each command, with those that are there already.")] = 5,
    unknown: Annotated[int, typer.Option(help="Other words to say, for _unknown_.")] = 0,
    background: Annotated[int, typer.Option(help="Recordings of 10 s in which nobody speaks.")] = 0,
    speaker: Annotated[str | None, typer.Option(help="Who speaks; one name is one person.")] = None,
    device: MicrophoneOption = None,
    room: Annotated[str | None, typer.Option(help="Room of the recording, for the manifest.")] = None,
    session: Annotated[str | None, typer.Option(help="Name of this recording session. Defaults to the time.")] = None,
    from_files: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE|DIR", help="Audio files in place of the microphone, one per take and in order."),
    ] = None,
    auto: Annotated[bool, typer.Option("--auto", help="Ask nothing: keep good takes, repeat the others.")] = False,
    encoder: Annotated[
        str, typer.Option(help="Encoder that compares takes; `none` leaves the comparison out.")
    ] = "whisper-tiny.en",
) -> None:
    """Record commands take by take; each is judged at once, and on disk before the next."""
    from datetime import datetime

    from rich.console import Console

    from speechtune.cli.terminal.microphone import FilesInPlaceOfMicrophone, Microphone, device_from
    from speechtune.cli.terminal.recording_operator import TerminalOperator, UnattendedOperator
    from speechtune.data.sets.folder_lock import sole_writer
    from speechtune.data.sets.growing import GrowingSet
    from speechtune.models.speech_ends import ActivitySpeechFinder
    from speechtune.record.driver import run_recording
    from speechtune.record.prompts import RecordingPlan, missing_prompts
    from speechtune.record.session import RecordingSession
    from speechtune.streaming.voice.activity import SileroActivity

    console = Console()
    plan = RecordingPlan(keywords_from(commands, "--commands") or (), takes, unknown, background)
    with sole_writer(folder):
        growing = GrowingSet(folder)
        prompts = missing_prompts(plan, growing.num_takes(speaker))
        if not prompts:
            console.print("everything is recorded already; ask for more --takes", highlight=False)
            return
        source = FilesInPlaceOfMicrophone(from_files) if from_files else Microphone(device_from(device))
        try:
            ear = None if encoder == _NO_ENCODER else _ear(encoder, growing, speaker, console)
            operator: Operator = (
                UnattendedOperator(console, redo=not from_files) if auto or from_files else TerminalOperator(console)
            )
            store = _FolderStore(growing, speaker, session or f"{datetime.now():%Y-%m-%dT%H%M%S}", source.name, room)
            recording = RecordingSession(prompts, ActivitySpeechFinder(SileroActivity()), ear)
            outcome = run_recording(recording, source, operator, store)
        finally:
            source.close()
    _tell(console, outcome, growing, len(missing_prompts(plan, growing.num_takes(speaker))))


class _FolderStore:
    """The `record.ports.TakeStore` that is a data folder."""

    def __init__(self, growing: GrowingSet, speaker: str | None, session: str, device: str, room: str | None) -> None:
        self._growing = growing
        self._speaker, self._session, self._device, self._room = speaker, session, device, room
        self._stem = re.sub(r"[^\w-]+", "-", f"{speaker or 'take'}_{session}")

    def keep(self, take: Take) -> None:
        from speechtune.data.sets.clips import Clip
        from speechtune.labels import UNKNOWN

        clip = Clip(
            Path(self._stem),
            take.prompt.label,
            speaker=self._speaker if take.prompt.is_speech else None,
            session=self._session,
            device=self._device,
            room=self._room,
            word=take.prompt.text if take.prompt.label == UNKNOWN else None,
        )
        self._growing.add(clip, take.samples)


def _ear(encoder: str, growing: GrowingSet, speaker: str | None, console: Console) -> Ear | None:
    """The comparison with kept takes, also those of an earlier session of the same speaker."""
    import torch

    from speechtune.models.clip_embeddings import ClipEncoder, TakeComparer
    from speechtune.models.encoders.loading import load_encoder

    torch.set_num_threads(1)  # a take is too little work to share out
    try:
        ear = TakeComparer(ClipEncoder(load_encoder(encoder)))
    except EncoderUnavailableError as error:
        console.print(f"note: takes are not compared with each other ({error})", style="yellow", markup=False)
        return None
    ear.remember_clips([clip for clip in growing.clip_set.clips if clip.speaker == speaker])
    return ear


def _tell(console: Console, outcome: RecordingOutcome, growing: GrowingSet, num_left: int) -> None:
    from speechtune.labels import BACKGROUND_NOISE

    counts = dict(growing.clip_set.num_clips_per_label())
    if growing.clip_set.noise:
        counts[BACKGROUND_NOISE] = len(growing.clip_set.noise)
    listed = ", ".join(f"{label} {count}" for label, count in counts.items())
    where = growing.clip_set.root
    console.print(f"\nkept {outcome.num_kept} takes; {where} lists: {listed or 'nothing'}", markup=False)
    if num_left:
        console.print(f"{num_left} are still to be recorded; run the same command again to go on", markup=False)
