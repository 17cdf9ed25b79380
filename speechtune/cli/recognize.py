"""`speechtune recognize CKPT FILE…`: one JSON line a file, through the very session that is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speechtune.cli.options import ChannelOption, ModelArgument
from speechtune.errors import SpeechTuneError
from speechtune.names import readable

if TYPE_CHECKING:
    from speechtune.models.opened import OpenModel
    from speechtune.streaming.voice.activity import ActivityModel


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(recognize)


def recognize(
    checkpoint: ModelArgument,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Audio files: WAV, FLAC, OGG and others.")],
    channel: ChannelOption = None,
) -> None:
    """Recognise files, one JSON line each; a file that cannot be read gets a line with `error` and exit code 2."""
    from speechtune.models.opened import open_model
    from speechtune.streaming.voice.activity import SileroActivity

    model = open_model(checkpoint)
    activity = SileroActivity()
    failed = False
    for path in files:
        line: dict[str, Any] = {"file": readable(str(path))}
        try:
            line |= _recognized(path, channel, model, activity)
        except SpeechTuneError as error:
            line["error"] = str(error)
            failed = True
        typer.echo(json.dumps(line))
    if failed:
        raise typer.Exit(2)


def _recognized(path: Path, channel: int | None, model: OpenModel, activity: ActivityModel) -> dict[str, Any]:
    from speechtune.audio.files import read_sound
    from speechtune.audio.placement import place_by_energy
    from speechtune.cli.terminal.event_json import detection_json, score_json
    from speechtune.streaming.clip_scores import clip_posteriors
    from speechtune.streaming.config import SessionConfig
    from speechtune.streaming.decision import Step, ranked
    from speechtune.streaming.driver import SAMPLES_FORMAT, chunks_of, run_session
    from speechtune.streaming.events import Detection
    from speechtune.streaming.session import Session

    sound = read_sound(path, channel=channel)
    samples = sound.samples
    scorer, settings = model.scorer, model.settings
    config = SessionConfig(SAMPLES_FORMAT, detector=settings.detector, endpointing=settings.endpointing)
    journal: list[Step] = []
    session = Session(config, scorer.labels, scorer.thresholds, scorer.window_samples, journal=journal)
    events = run_session(session, scorer, activity, chunks_of(samples))
    detections = [event for event in events if isinstance(event, Detection)]
    whole = scorer.score(place_by_energy(samples, scorer.window_samples)[None])[0]
    posteriors = clip_posteriors(whole, detections, journal, scorer.labels)
    return {
        "detections": [detection_json(detection, model.digest) for detection in detections],
        "scores": [score_json(score) for score in ranked(posteriors, scorer.labels)],
        "model_digest": model.digest,
        **({"notes": list(sound.notes)} if sound.notes else {}),
    }
