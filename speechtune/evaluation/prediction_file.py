r"""Predictions as a file that anyone's system can write: JSON Lines, one clip a line.

A clip is an object with its id, what was said, and a posterior (0 to 1) for every label::

    {"clip": "yes/0a7c2a8d_0.wav", "truth": "yes", "posteriors": {"yes": 0.93, "no": 0.02, "_unknown_": 0.05}}
    {"clip": "cat/b7a0.wav", "truth": "cat", "speaker": "b7", "posteriors": {"yes": 0.01, "no": 0.4, "_unknown_": 0.59}}

`speaker`, `device`, `session` and `room` may be added; without speakers the intervals are too narrow. `_unknown_` and
`_silence_` may be left out by a system that cannot answer them: then they are 0. Every other label is a keyword.

The first line may instead be a header, which fixes the order of the keywords and names the words that the system was
trained on as negatives, so that rejection of *new* words can be told apart (none of them: an empty list)::

    {"keywords": ["yes", "no"], "negatives": ["bed", "bird"]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NoReturn

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from speechtune.errors import ConfigError, ManifestError
from speechtune.evaluation.atomic_text import write_text
from speechtune.evaluation.predictions import Predictions
from speechtune.labels import SILENCE, UNKNOWN, LabelSet
from speechtune.names import composed

PREDICTIONS_NAME = "predictions.jsonl"

Posterior = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1), AfterValidator(composed)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Header(_Line):
    keywords: list[Name]
    negatives: list[Name] | None = None


class _Clip(_Line):
    clip: Name
    truth: Name
    posteriors: dict[Name, Posterior]
    speaker: Name | None = None
    device: Name | None = None
    session: Name | None = None
    room: Name | None = None


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Write a file that `load_predictions` reads back bit for bit; it appears whole or not at all.

    Raises:
        ConfigError: the file cannot be written.
    """
    write_text(path, predictions_text(predictions))


def predictions_text(predictions: Predictions) -> str:
    """What `save_predictions` writes."""
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in _lines(predictions))


def load_predictions(path: Path) -> Predictions:
    """Read a prediction file.

    Raises:
        ManifestError: it cannot be read, is empty, or a line does not have the form above; names the file and the line.
    """
    reading = _Reading(path)
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    reading.take_line(number, text)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"predictions {path}: cannot be read ({error})") from error
    return reading.predictions()


def _lines(predictions: Predictions) -> Iterator[dict[str, object]]:
    labels = predictions.labels
    header: dict[str, object] = {"keywords": list(labels.keywords)}
    yield header | {"negatives": list(labels.negatives)} if predictions.negatives_known else header
    facts = zip(predictions.speakers, predictions.devices, predictions.sessions, predictions.rooms, strict=True)
    rows = zip(predictions.clip_ids, predictions.words, predictions.posteriors, facts, strict=True)
    for clip_id, word, row, known in rows:
        line: dict[str, object] = {"clip": clip_id, "truth": word}
        named = zip(("speaker", "device", "session", "room"), known, strict=True)
        line.update({name: value for name, value in named if value is not None})
        # str() of a float32 is the shortest decimal that reads back as the same float32.
        line["posteriors"] = {label: float(str(value)) for label, value in zip(labels.labels, row, strict=True)}
        yield line


@dataclass
class _Reading:
    path: Path
    labels: LabelSet | None = None
    negatives_known: bool = False
    clips: list[_Clip] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)
    line_of: dict[str, int] = field(default_factory=dict)

    def take_line(self, number: int, text: str) -> None:
        try:
            if self.labels is None and _is_header(text):
                header = _Header.model_validate_json(text)
                self.labels = LabelSet(tuple(header.keywords), tuple(header.negatives or ()))
                self.negatives_known = header.negatives is not None
                return
            clip = _Clip.model_validate_json(text)
            if self.labels is None:
                answers = (SILENCE, UNKNOWN)
                self.labels = LabelSet(tuple(name for name in clip.posteriors if name not in answers))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            self._refuse(number, f"{place}: {first['msg']}" if place else first["msg"])
        except ConfigError as error:
            self._refuse(number, str(error))
        self._add(number, clip, self.labels)

    def _add(self, number: int, clip: _Clip, labels: LabelSet) -> None:
        if clip.clip in self.line_of:
            self._refuse(number, f"clip {clip.clip!r} stands in line {self.line_of[clip.clip]} already")
        unknown = [label for label in clip.posteriors if label not in labels.labels]
        missing = [label for label in labels.keywords if label not in clip.posteriors]
        if unknown or missing:
            problem = f"has {unknown[0]!r}, which" if unknown else f"lacks {missing[0]!r}, which"
            where = "is not among" if unknown else "is among"
            self._refuse(number, f"posteriors {problem} {where} the keywords {', '.join(labels.keywords)}")
        self.line_of[clip.clip] = number
        self.clips.append(clip)
        self.rows.append([clip.posteriors.get(label, 0.0) for label in labels.labels])

    def _refuse(self, number: int, problem: str) -> NoReturn:
        raise ManifestError(f"predictions {self.path}, line {number}: {problem}")

    def predictions(self) -> Predictions:
        if self.labels is None or not self.clips:
            raise ManifestError(f"predictions {self.path}: holds no clip; write one JSON object a line")
        return Predictions(
            labels=self.labels,
            posteriors=np.array(self.rows, dtype=np.float32),
            words=tuple(clip.truth for clip in self.clips),
            clip_ids=tuple(clip.clip for clip in self.clips),
            speakers=tuple(clip.speaker for clip in self.clips),
            devices=tuple(clip.device for clip in self.clips),
            sessions=tuple(clip.session for clip in self.clips),
            rooms=tuple(clip.room for clip in self.clips),
            negatives_known=self.negatives_known,
        )


def _is_header(text: str) -> bool:
    try:
        tree = json.loads(text)
    except json.JSONDecodeError:
        return False  # the clip's own validation says what is wrong with the line
    return isinstance(tree, dict) and "keywords" in tree
