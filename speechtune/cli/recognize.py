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
    from speechtune.recognition import Recognizer


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
    from speechtune.recognition import Recognizer

    recognizer = Recognizer(open_model(checkpoint))
    failed = False
    for path in files:
        line: dict[str, Any] = {"file": readable(str(path))}
        try:
            line |= _recognized(path, channel, recognizer)
        except SpeechTuneError as error:
            line["error"] = str(error)
            failed = True
        typer.echo(json.dumps(line))
    if failed:
        raise typer.Exit(2)


def _recognized(path: Path, channel: int | None, recognizer: Recognizer) -> dict[str, Any]:
    from speechtune.cli.terminal.event_json import detection_json, score_json

    found = recognizer.recognize(path, channel=channel)
    digest = recognizer.model.digest
    return {
        "detections": [detection_json(detection, digest) for detection in found.detections],
        "scores": [score_json(score) for score in found.scores],
        "model_digest": digest,
        **({"notes": list(found.notes)} if found.notes else {}),
    }
