from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speechtune.evaluation.answers.files import load_predictions, save_predictions
from speechtune.evaluation.clips.compute import compute_metrics
from speechtune.evaluation.clips.robustness import slices
from speechtune.evaluation.figures.detection import unseen_negatives
from speechtune.evaluation.figures.open_set import taken_words
from speechtune.evaluation.reports.terminal import report_text
from speechtune.labels import LabelSet
from tests.support.answers import LABELS, predictions_of, simulate, sure


def test_each_other_word_tells_which_keywords_it_was_taken_for() -> None:
    answers = ["yes", "no", "no", "_unknown_", "yes", "_unknown_", "yes"]
    words = ["ship", "ship", "ship", "ship", "cat", "_unknown_", "yes"]
    predictions = predictions_of([sure(LABELS, answer) for answer in answers], words)
    ship, cat, nameless = taken_words(predictions, 0.5)
    assert (ship.word, ship.num_clips, ship.num_taken, ship.was_shown) == ("ship", 4, 3, False)
    assert list(ship.taken_for.items()) == [("no", 2), ("yes", 1)]
    assert (cat.word, cat.taken_for, cat.was_shown) == ("cat", {"yes": 1}, True)
    assert (nameless.word, nameless.num_taken, nameless.taken_for) == ("_unknown_", 0, {})
    assert [word.num_taken for word in taken_words(predictions, 0.95)] == [0, 0, 0]


def test_the_worst_speaker_comes_first_and_nameless_clips_are_left_out() -> None:
    rows = [sure(LABELS, "yes"), sure(LABELS, "no"), sure(LABELS, "yes"), sure(LABELS, "no"), sure(LABELS, "yes")]
    speakers = ["ann", "ann", "bob", "bob", None]
    predictions = predictions_of(rows, ["yes", "no", "yes", "cat", "yes"], speakers)
    bob, ann = slices(predictions, "speaker", 0.5)
    assert (bob.value, bob.num_clips, bob.accuracy, bob.false_accept_rate, bob.detection_rate) == ("bob", 2, 0.5, 1, 1)
    assert (ann.value, ann.accuracy, ann.closed_set_accuracy, ann.false_accept_rate) == ("ann", 1.0, 1.0, None)
    assert slices(predictions, "device") == ()


def test_without_a_threshold_rates_are_not_measured() -> None:
    predictions = predictions_of([sure(LABELS, "yes"), sure(LABELS, "yes")], ["yes", "cat"], ["ann", "ann"])
    (ann,) = slices(predictions, "speaker")
    assert (ann.false_accept_rate, ann.detection_rate) == (None, None)


def test_slices_add_up_to_the_whole() -> None:
    predictions = simulate(np.random.default_rng(0), 12, 15)
    devices = tuple("phone" if row % 3 else "laptop" for row in range(len(predictions)))
    parts = slices(replace(predictions, devices=devices), "device")
    assert [part.value for part in parts if part.num_clips == 120] == ["phone"]
    total = sum(part.accuracy * part.num_clips for part in parts) / len(predictions)
    assert total == pytest.approx((predictions.predicted == predictions.truth).mean())


def test_no_word_is_called_new_where_the_systems_negatives_are_not_known(tmp_path: Path) -> None:
    known = simulate(np.random.default_rng(0), num_speakers=40)
    not_known = replace(known, labels=LabelSet(known.labels.keywords), negatives_known=False)
    save_predictions(not_known, tmp_path / "p.jsonl")
    read = load_predictions(tmp_path / "p.jsonl")
    assert not read.negatives_known
    assert not read.take([0, 1]).negatives_known
    assert unseen_negatives(known).any()
    assert not unseen_negatives(read).any()
    metrics = compute_metrics(read, num_resamples=20)
    assert set(metrics.detection_rate_at_far_unseen.values()) == {None}
    assert "is not known" in metrics.not_measured["detection_rate_at_far_unseen@0.05"]
    assert metrics.open_set is not None
    assert {word.was_shown for word in metrics.open_set.words} == {None}
    assert "(unseen)" not in report_text(metrics)
