"""`report.html`: everything about one evaluation in one file that opens without a network.

The page is `page.html.j2`, which draws itself from one JSON document; no library and no font is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from speechtune.audio.timebase import samples_from_ms
from speechtune.data.inspection.player import ClipMedia, page_environment
from speechtune.evaluation.answers.atomic_text import write_text
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.clips.headline_words import headline_lines
from speechtune.evaluation.evaluate import ClipPart, Evaluation, StreamPart
from speechtune.evaluation.reports.media import clip_media
from speechtune.evaluation.streams.metrics import WrongEvent

REPORT_NAME = "report.html"
MAX_PLAYABLE = 60
"""Clips with audio and spectrogram: about 35 kB each."""
MAX_LISTED = 2_000
"""Clips in the browser; wrong ones come first."""
MAX_PLAYABLE_EVENTS = 40

_RIGHT_PER_CELL = 5
_AROUND_MS = 500


@dataclass(frozen=True)
class MinedRow:
    """A clip that was cut out of a recording because it fired, or nearly did.

    Attributes:
        file: of the clip, beside the page.
        recording, offset_seconds: where it was cut out.
        label, confidence, threshold: the keyword that it came nearest to, its posterior, and what that had to reach.
        fired: it did.
        media: None: the page does not play it.
    """

    file: str
    recording: str
    offset_seconds: float
    label: str
    confidence: float
    threshold: float
    fired: bool
    media: ClipMedia | None


@dataclass(frozen=True)
class MinedPart:
    """What was mined, strongest first, for a person to confirm."""

    rows: tuple[MinedRow, ...]


def write_html_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write `report.html` into `folder`, whole or not at all, and return its path.

    Raises:
        ConfigError: the file cannot be written.
        UnreadableAudioError: a clip that was scored can no longer be read.
    """
    path = folder / REPORT_NAME
    write_text(path, html_report(evaluation))
    return path


def html_report(evaluation: Evaluation) -> str:
    """The page of an evaluation as text."""
    return _page(
        evaluation.title,
        evaluation.facts,
        clips=None if evaluation.clips is None else _clip_document(evaluation.clips),
        streams=None if evaluation.streams is None else _stream_document(evaluation.streams),
    )


def mined_page(title: str, facts: Mapping[str, JsonValue], rows: Sequence[MinedRow]) -> str:
    """The page of what was cut out of recordings, strongest first, for a person to confirm.

    Args:
        title: one line.
        facts: name -> value, shown as they are.
        rows: one clip each.
    """
    parts = [asdict(row) | {"media": None if row.media is None else row.media.model_dump()} for row in rows]
    return _page(title, facts, mined={"rows": parts})


def _page(title: str, facts: Mapping[str, JsonValue], **parts: dict[str, Any] | None) -> str:
    document = {"title": title, "facts": dict(facts), "clips": None, "streams": None, "mined": None} | parts
    # Inside a script element only "</" and "<!--" end or change what is read.
    text = json.dumps(document, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    template = page_environment("speechtune.evaluation.reports").get_template("page.html.j2")
    page: str = template.render(document=text)
    return page


def _clip_document(part: ClipPart) -> dict[str, Any]:
    rows = listed_rows(part.predictions)
    playable = set(playable_rows(part.predictions, rows))
    return {
        "metrics": part.metrics.model_dump(mode="json"),
        "headlines": [asdict(line) for line in headline_lines(part.metrics)],
        "labels": list(part.predictions.labels.labels),
        "keywords": list(part.predictions.labels.keywords),
        "rows": [_row(part, row, row in playable) for row in rows],
        "num_wrong": int((part.predictions.predicted != part.predictions.truth).sum()),
        "leaks": None if part.leaks is None else list(part.leaks),
    }


def _row(part: ClipPart, row: int, playable: bool) -> dict[str, Any]:
    predictions = part.predictions
    names = predictions.labels.labels
    best = int(predictions.predicted[row])
    return {
        "id": predictions.clip_ids[row],
        "said": names[predictions.truth[row]],
        "word": predictions.words[row],
        "answered": names[best],
        "confidence": round(float(predictions.posteriors[row, best]), 4),
        "speaker": predictions.speakers[row],
        "media": clip_media(part.read(row)).model_dump() if playable else None,
    }


def listed_rows(predictions: Predictions) -> list[int]:
    """Rows for the browser: the wrong ones, surest first, then a few right ones of every label."""
    confidence = predictions.posteriors.max(axis=1)
    surest = np.argsort(-confidence, kind="stable")
    wrong = predictions.predicted[surest] != predictions.truth[surest]
    rows = [int(row) for row in surest[wrong]]
    taken: dict[int, int] = {}
    for row in surest[~wrong][::-1].tolist():  # of the right ones, those that were nearly wrong
        label = int(predictions.truth[row])
        if taken.get(label, 0) < _RIGHT_PER_CELL:
            taken[label] = taken.get(label, 0) + 1
            rows.append(row)
    return rows[:MAX_LISTED]


def playable_rows(predictions: Predictions, rows: Sequence[int]) -> list[int]:
    """Of these rows, those that get audio: one of every confusion cell in turn, so that each cell can be heard."""
    cells: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        cells.setdefault((int(predictions.truth[row]), int(predictions.predicted[row])), []).append(row)
    wrong = [queue for (said, answered), queue in cells.items() if said != answered]
    right = [queue for (said, answered), queue in cells.items() if said == answered]
    chosen: list[int] = []
    for queues in (wrong, right):
        for turn in range(max((len(queue) for queue in queues), default=0)):
            chosen += [queue[turn] for queue in queues if turn < len(queue)]
    return chosen[:MAX_PLAYABLE]


def _stream_document(part: StreamPart) -> dict[str, Any]:
    errors = part.metrics.errors
    # False accepts are what a user hears: those where no keyword was said come first.
    order = {"alone": 0, "confused": 1, "missed": 2, "repeated": 3}
    ranked = sorted(errors, key=lambda error: (order[error.kind], -(error.confidence or 0.0)))
    playable = {id(error) for error in ranked[:MAX_PLAYABLE_EVENTS]}
    metrics = part.metrics.model_dump(mode="json", exclude={"errors"})
    return {
        "metrics": metrics,
        "num_errors": len(errors),
        "errors": [_event(part, error, id(error) in playable) for error in ranked[:MAX_LISTED]],
    }


def _event(part: StreamPart, error: WrongEvent, playable: bool) -> dict[str, Any]:
    around = samples_from_ms(_AROUND_MS)
    media = None
    if playable:
        media = clip_media(part.read(error.recording, max(error.start_sample - around, 0), error.end_sample + around))
    return error.model_dump(mode="json") | {"media": None if media is None else media.model_dump()}
