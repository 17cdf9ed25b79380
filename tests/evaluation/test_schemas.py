from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from data_scripts import generate_schemas
from speechtune.evaluation.clips.compute import Provenance, compute_metrics
from speechtune.evaluation.clips.metrics import write_metrics
from speechtune.evaluation.streams.compute import compute_stream_metrics
from speechtune.evaluation.streams.metrics import write_stream_metrics
from speechtune.evaluation.streams.playback import play
from speechtune.evaluation.streams.recordings import find_recordings
from speechtune.evaluation.streams.truth import SpokenWord, write_truth
from tests.support.answers import LABELS, predictions_of, simulate, sure
from tests.support.clips import write_audio
from tests.support.streaming import LoudnessActivity, PitchScorer, quiet, tone


def schema_of(name: str) -> dict[str, Any]:
    return json.loads((generate_schemas.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def check(path: Path, name: str) -> Any:
    """Second opinion: what was written is held against the committed schema by another library."""
    found = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema_of(name))
    jsonschema.Draft202012Validator(schema_of(name)).validate(found)
    return found


def test_the_committed_schemas_are_those_of_the_code() -> None:
    assert generate_schemas.differences(generate_schemas.FOLDER) == [], "run python -m data_scripts.generate_schemas"
    assert generate_schemas.main(["--check"]) == 0


def test_a_changed_and_a_missing_schema_are_found_and_written_anew(tmp_path, capsys):
    assert generate_schemas.main(["--out", str(tmp_path)]) == 0
    (tmp_path / "metrics.schema.json").write_text("{}")
    assert generate_schemas.main(["--check", "--out", str(tmp_path)]) == 1
    assert "metrics.schema.json: out of date" in capsys.readouterr().err
    assert generate_schemas.main(["--out", str(tmp_path)]) == 0
    assert generate_schemas.differences(tmp_path) == []


def test_every_key_says_what_it_is_where_its_name_does_not() -> None:
    schema = schema_of("metrics")
    assert schema["properties"]["not_measured"]["description"] == "Key of a null -> why."
    assert schema["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("num_speakers", [0, 1, 30])
def test_metrics_of_clips_keep_to_their_schema(num_speakers, tmp_path):
    # None, one and many: what cannot be measured is null, which the schema must allow.
    predictions = predictions_of([sure(LABELS, "yes")] * 2, ["yes", "no"])
    if num_speakers:
        predictions = simulate(np.random.default_rng(0), num_speakers)
    found = check(
        write_metrics(compute_metrics(predictions, Provenance("tiny", "c0", 2.0, 1.5), 50), tmp_path), "metrics"
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found | {"accuracy": 1.5}, schema_of("metrics"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found | {"invented": 1}, schema_of("metrics"))


@pytest.mark.parametrize("has_words", [True, False])
def test_metrics_of_streams_keep_to_their_schema(has_words, tmp_path):
    write_audio(tmp_path / "a.wav", np.concatenate([quiet(9_000), tone(250, 6_000), quiet(9_000), tone(1000, 6_000)]))
    words = [SpokenWord("low", 9_000, 15_000), SpokenWord("low", 18_000, 19_000)]
    write_truth(tmp_path / "a.txt", words if has_words else [])
    playback = play(PitchScorer(), LoudnessActivity(), find_recordings(tmp_path))
    metrics = compute_stream_metrics(playback, compute_ms=[1.0, 2.0] if has_words else ())
    found = check(write_stream_metrics(metrics, tmp_path), "stream_metrics")
    assert (found["latency"] is None) == (not has_words)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found | {"hours": -1.0}, schema_of("stream_metrics"))
