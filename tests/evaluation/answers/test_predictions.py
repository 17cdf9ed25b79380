from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechtune.errors import ManifestError
from speechtune.evaluation.answers.files import load_predictions, save_predictions
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.labels import LabelSet
from tests.support.answers import LABELS, predictions_of, simulate, sure


def write_lines(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_a_word_that_is_no_keyword_is_unknown_and_silence_is_itself() -> None:
    rows = [sure(LABELS, "yes")] * 4
    predictions = predictions_of(rows, ["yes", "cat", "_unknown_", "_silence_"])
    assert predictions.truth.tolist() == [0, 3, 3, 4]
    assert predictions.is_keyword.tolist() == [True, False, False, False]
    assert predictions.is_unknown.tolist() == [False, True, True, False]


def test_the_best_keyword_ignores_unknown_and_silence() -> None:
    predictions = predictions_of([[0.1, 0.2, 0.0, 0.7, 0.0]], ["no"])
    assert predictions.predicted.tolist() == [3]
    assert predictions.best_keyword.tolist() == [1]
    assert predictions.keyword_score.tolist() == [np.float32(0.2)]


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_posterior_outside_0_and_1_is_refused_by_the_clips_name(value: float) -> None:
    with pytest.raises(ManifestError, match="'1' has a posterior"):
        predictions_of([sure(LABELS, "yes"), [value, 0, 0, 0, 0]], ["yes", "no"])


def test_a_sum_of_classes_that_rounding_put_above_1_is_1() -> None:
    assert predictions_of([[1.0000002, 0, 0, 0, 0]], ["yes"]).keyword_score.tolist() == [1.0]


def test_parts_of_different_length_and_clips_named_twice_are_refused() -> None:
    row = np.array([sure(LABELS, "yes")] * 2, dtype=np.float32)
    with pytest.raises(ManifestError, match="shape"):
        Predictions(LABELS, row[:, :3], ("yes", "no"), ("a", "b"))
    with pytest.raises(ManifestError, match="1 clip ids for 2 clips"):
        Predictions(LABELS, row, ("yes", "no"), ("a",))
    with pytest.raises(ManifestError, match="3 speakers for 2 clips"):
        Predictions(LABELS, row, ("yes", "no"), ("a", "b"), ("x", "y", "z"))
    with pytest.raises(ManifestError, match="'a' stands twice"):
        Predictions(LABELS, row, ("yes", "no"), ("a", "a"))


def test_posteriors_cannot_be_changed_afterwards_from_either_side() -> None:
    rows = np.array([sure(LABELS, "yes")], dtype=np.float32)
    predictions = predictions_of(rows, ["yes"])
    rows[0, 0] = 0.0
    assert predictions.keyword_score[0] == np.float32(0.9)
    with pytest.raises(ValueError, match="read-only"):
        predictions.posteriors[0, 0] = 0.5


@given(seed=st.integers(0, 2**16), num_speakers=st.integers(1, 4))
def test_a_prediction_file_reads_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, seed: int, num_speakers: int
) -> None:
    path = tmp_path_factory.mktemp("predictions") / "answers.jsonl"
    before = simulate(np.random.default_rng(seed), num_speakers, 3)
    save_predictions(before, path)
    after = load_predictions(path)
    assert np.array_equal(after.posteriors, before.posteriors)
    assert (after.labels, after.words, after.clip_ids) == (before.labels, before.words, before.clip_ids)
    assert (after.speakers, after.rooms) == (before.speakers, before.rooms)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_foreign_system_needs_no_header_no_speaker_and_no_silence(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "theirs.jsonl",
        {"clip": "a.wav", "truth": "no", "posteriors": {"yes": 0.25, "no": 0.75, "_unknown_": 0.5}},
        "",
        {"clip": "b.wav", "truth": "cat", "device": "phone", "posteriors": {"no": 0, "yes": 1}},
    )
    predictions = load_predictions(path)
    assert predictions.labels == LabelSet(("yes", "no"))
    assert predictions.posteriors.tolist() == [[0.25, 0.75, 0.5, 0.0], [1.0, 0.0, 0.0, 0.0]]
    assert predictions.speakers == (None, None)
    assert predictions.devices == (None, "phone")


GOOD = {"clip": "a.wav", "truth": "yes", "posteriors": {"yes": 1.0, "no": 0.0}}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ({"clip": "b", "truth": "yes"}, "posteriors"),
        ({"clip": "b", "truth": "yes", "posteriors": {"yes": 1.5, "no": 0}}, "posteriors.yes"),
        ({"clip": "b", "truth": "yes", "posteriors": {"yes": float("nan"), "no": 0}}, "posteriors.yes"),
        ({"clip": "b", "truth": "yes", "posteriors": {"yes": "1", "no": 0}}, "posteriors.yes"),
        ({"clip": "b", "truth": "yes", "posteriors": {"yes": 1.0}}, "lacks 'no'"),
        ({"clip": "b", "truth": "yes", "posteriors": {"yes": 1.0, "no": 0, "up": 0}}, "has 'up'"),
        ({"clip": "a.wav", "truth": "yes", "posteriors": {"yes": 1.0, "no": 0}}, "stands in line 1"),
        ({**GOOD, "clip": "b", "speeker": "ann"}, "speeker"),
        ({"clip": "", "truth": "yes", "posteriors": {"yes": 1.0, "no": 0}}, "clip"),
    ],
)
def test_a_broken_line_is_refused_with_file_and_line(tmp_path: Path, line: object, says: str) -> None:
    path = write_lines(tmp_path / "theirs.jsonl", GOOD, line)
    with pytest.raises(ManifestError, match=r"theirs\.jsonl, line 2: .*" + says):
        load_predictions(path)


def test_a_label_that_cannot_be_one_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "theirs.jsonl", {"clip": "a", "truth": "x", "posteriors": {"../x": 1.0}})
    with pytest.raises(ManifestError, match=r"line 1: label '\.\./x'"):
        load_predictions(path)


def test_no_file_no_clips_and_no_text_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"missing\.jsonl: cannot be read"):
        load_predictions(tmp_path / "missing.jsonl")
    with pytest.raises(ManifestError, match="holds no clip"):
        load_predictions(write_lines(tmp_path / "head.jsonl", {"keywords": ["yes"]}))
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="cannot be read"):
        load_predictions(tmp_path / "binary.jsonl")
