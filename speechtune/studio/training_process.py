"""The process that trains: reads jobs from its input, one a line, and tells what it does line by line.

It is a process of its own so that a training can be stopped, fails alone, and gives its memory back. It takes one job
after the other, so that training again need not wait for the libraries.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, JsonValue

from speechtune.errors import SpeechTuneError
from speechtune.recipe_files import parse_recipe

if TYPE_CHECKING:
    from speechtune.training.finetune import FinetuneResult

_SECONDS_BETWEEN = 0.1
"""Progress is told no more often than this; the page draws no faster."""


class Job(BaseModel):
    """What to train.

    Attributes:
        clips: the data folder.
        keywords: the commands.
        model: where the checkpoint goes.
        recipe: as TOML.
        negatives, room: as for `TrainingData`.
        report: folder for the evaluation on clips that are held back; None: there are none.
        version: of the takes that are learnt from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clips: Path
    keywords: tuple[str, ...]
    model: Path
    recipe: str
    negatives: tuple[Path, ...] = ()
    room: tuple[Path, ...] = ()
    report: Path | None = None
    version: str = ""


class TestFigure(BaseModel):
    """One headline of the evaluation, as `HeadlineLine` has it."""

    __test__ = False

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    words: str
    value: float | None
    interval: tuple[float, float] | None
    reason: str


class Trained(BaseModel):
    """What a training came to.

    Attributes:
        digest: of the checkpoint.
        version: of the takes that were learnt from.
        thresholds: of every command, 0 to 1.
        num_clips: label -> clips that were learnt from.
        summary: how often it fires on talk and how much it misses, in one sentence.
        notes: what a reader should know, one sentence each.
        detection_rate, false_accept_rate: on clips held out in turn, 0 to 1; None: not known.
        talk: what talk does, as the checkpoint says it.
        seconds: the training took.
        test: headlines of the evaluation on clips that were held back; None: there were none.
        test_notes: what a reader of them should know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    version: str
    thresholds: dict[str, float]
    num_clips: dict[str, int]
    summary: str
    notes: tuple[str, ...]
    detection_rate: float | None
    false_accept_rate: float | None
    talk: JsonValue
    seconds: float
    test: tuple[TestFigure, ...] | None = None
    test_notes: tuple[str, ...] = ()


Tell = Callable[[dict[str, Any]], None]


class _ProgressLines:
    """The `Progress` that writes lines; it hears losses too."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._last = ("", 0.0)

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        name, when = self._last
        if stage == name and 0 < done < total and now - when < _SECONDS_BETWEEN:
            return
        self._last = (stage, now)
        self._tell({"stage": stage, "done": done, "total": total})

    def loss(self, stage: str, step: int, value: float) -> None:
        """Tell a loss."""
        self._tell({"loss": value, "step": step, "of": stage})


def main() -> None:
    """Train what each line of the input says, until it ends."""
    # Libraries print where they like; our lines go where nobody else writes.
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(line: dict[str, Any]) -> None:
        lines.write(json.dumps(line) + "\n")

    for line in sys.stdin.buffer:
        try:
            trained = _train(Job.model_validate_json(line), _ProgressLines(tell))
        except SpeechTuneError as error:
            tell({"error": str(error)})
        else:
            tell({"trained": trained.model_dump(mode="json")})


def _train(job: Job, progress: _ProgressLines) -> Trained:
    from speechtune.training.finetune import TrainingData, finetune

    began = time.monotonic()
    progress("start", 0, 1)
    data = TrainingData(job.clips, job.keywords, negatives=job.negatives, room=job.room)
    result = finetune(data, job.model, parse_recipe(job.recipe), progress)
    trained = _told(result, job.version)
    if job.report is not None:
        trained = trained.model_copy(update=_tested(job, job.report, progress))
    return trained.model_copy(update={"seconds": round(time.monotonic() - began, 1)})


def _told(result: FinetuneResult, version: str) -> Trained:
    point = result.operating_point
    return Trained(
        digest=result.checkpoint.digest,
        version=version,
        thresholds=dict(point.thresholds),
        num_clips=result.num_clips,
        summary=result.summary,
        notes=result.notes,
        detection_rate=point.detection_rate,
        false_accept_rate=point.false_accept_rate,
        talk=result.checkpoint.training.get("false_accepts_on_talk"),
        seconds=0.0,
    )


def _tested(job: Job, folder: Path, progress: _ProgressLines) -> dict[str, Any]:
    from speechtune.evaluation.clips.headline_words import headline_lines
    from speechtune.evaluation.evaluate import TestClips, evaluate
    from speechtune.evaluation.reports.folder import write_evaluation
    from speechtune.evaluation.systems import open_system

    evaluation = evaluate(open_system(job.model), TestClips(job.clips, train=job.clips), progress=progress)
    write_evaluation(evaluation, folder)
    assert evaluation.clips is not None
    lines = headline_lines(evaluation.clips.metrics)
    figures = tuple(
        TestFigure(key=one.key, words=one.words, value=one.value, interval=one.interval, reason=one.reason)
        for one in lines
    )
    return {"test": figures, "test_notes": tuple(evaluation.clips.metrics.findings)}


if __name__ == "__main__":
    main()
