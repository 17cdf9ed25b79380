from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from speechtune.errors import DataError, ManifestError, UnknownLabelError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.clips.comparison import compare, mcnemar
from speechtune.labels import LabelSet
from tests.support.answers import LABELS, predictions_of, simulate, sure


def sharpened(predictions: Predictions, share: float, seed: int = 0) -> Predictions:
    """The same system with a share of its wrong answers put right."""
    rng = np.random.default_rng(seed)
    rows = predictions.posteriors.copy()
    wrong = np.flatnonzero(predictions.predicted != predictions.truth)
    for row in rng.choice(wrong, size=int(share * len(wrong)), replace=False):
        rows[row] = sure(LABELS, LABELS.labels[predictions.truth[row]])
    return replace(predictions, posteriors=rows)


@given(only_a=st.integers(0, 60), only_b=st.integers(0, 60), both=st.integers(0, 5))
def test_mcnemar_is_scipys_exact_binomial_test(only_a: int, only_b: int, both: int) -> None:
    right_a = np.array([True] * only_a + [False] * only_b + [True] * both, dtype=bool)
    right_b = np.array([False] * only_a + [True] * only_b + [True] * both, dtype=bool)
    test = mcnemar(right_a, right_b)
    assert (test.only_a, test.only_b) == (only_a, only_b)
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert test.p_value == pytest.approx(expected, rel=1e-9)


def test_thousands_of_changed_clips_do_not_overflow() -> None:
    right_a = np.arange(20_000) < 9_800
    test = mcnemar(right_a, ~right_a)
    assert test.p_value == pytest.approx(binomtest(9_800, 20_000).pvalue, rel=1e-6)


def test_a_better_system_is_called_better_and_the_changed_clips_are_named() -> None:
    a = simulate(np.random.default_rng(0), 60, 20)
    b = sharpened(a, 0.5)
    comparison = compare(a, b, 500)
    assert comparison.verdict.startswith("B is better (+")
    assert len(comparison.won) == comparison.mcnemar.only_b > 0
    assert comparison.lost == ()
    changed = comparison.won[0]
    row = int(changed.clip_id)
    assert changed.word == a.words[row]
    assert changed.answer_a == LABELS.labels[a.predicted[row]] != changed.answer_b
    back = compare(b, a, 500)
    assert back.verdict.startswith("A is better (-")
    for there, home in zip(comparison.headlines, back.headlines, strict=True):
        assert there.difference == pytest.approx(-home.difference if home.difference is not None else None)


def test_a_verdict_from_few_speakers_says_how_few() -> None:
    few, many = (simulate(np.random.default_rng(0), num_speakers, 60) for num_speakers in (6, 30))
    assert "6 speakers say little about other voices" in compare(few, sharpened(few, 0.9), 200).verdict
    assert "speakers say" not in compare(many, sharpened(many, 0.9), 200).verdict


def test_of_two_calibration_errors_the_smaller_is_better() -> None:
    a = simulate(np.random.default_rng(0), 60, 20)
    flattened = replace(a, posteriors=a.posteriors * 0.5 + 0.1)
    line = compare(a, flattened, 500).headlines[-1]
    assert line.name == "expected_calibration_error"
    assert line.difference is not None
    assert line.difference > 0
    assert line.verdict == "A is better"


def test_a_system_is_no_better_than_itself() -> None:
    a = simulate(np.random.default_rng(0), 30, 20)
    comparison = compare(a, a, 200)
    assert comparison.verdict.startswith("no evidence of a difference")
    assert comparison.mcnemar.p_value == 1.0
    assert {line.verdict for line in comparison.headlines if line.difference is not None} == {
        "no evidence of a difference"
    }


def test_two_equally_good_systems_are_seldom_told_apart() -> None:
    verdicts: Counter[bool] = Counter()
    for trial in range(100):
        rng = np.random.default_rng(trial)
        a = simulate(rng, 30, 15)
        mixed = a.posteriors + rng.uniform(0, 0.3, a.posteriors.shape)
        b, c = (replace(a, posteriors=(mixed + rng.uniform(0, 0.5, mixed.shape)) / 2) for _ in range(2))
        verdicts[compare(b, c, 200).verdict.startswith("no evidence")] += 1
    assert verdicts[False] <= 10


def test_one_speaker_alone_gives_no_verdict() -> None:
    a = simulate(np.random.default_rng(0), 1, 60, skill=2.0)
    assert compare(a, sharpened(a, 1.0), 100).verdict.startswith("no verdict: one speaker")


def test_an_improvement_in_one_speaker_is_no_evidence_of_improvement() -> None:
    rows_a = [sure(LABELS, "no")] * 30 + [sure(LABELS, "yes")] * 90
    rows_b = [sure(LABELS, "yes")] * 120
    speakers = ["ann"] * 30 + [f"s{index // 10}" for index in range(90)]
    a, b = (predictions_of(rows, ["yes"] * 120, speakers) for rows in (rows_a, rows_b))
    comparison = compare(a, b, 1000)
    assert comparison.mcnemar.p_value < 1e-6
    assert comparison.verdict.startswith("no evidence of a difference")


def test_clips_and_keywords_in_another_order_are_paired_by_name() -> None:
    a = simulate(np.random.default_rng(0), 20, 10)
    columns = [2, 0, 1, 3, 4]
    shuffled = np.random.default_rng(1).permutation(len(a))
    other = Predictions(
        labels=LabelSet(("stop", "yes", "no")),
        posteriors=a.posteriors[:, columns][shuffled],
        words=tuple(a.words[row] for row in shuffled),
        clip_ids=tuple(a.clip_ids[row] for row in shuffled),
    )
    assert compare(a, other, 100).mcnemar == mcnemar(np.array([True]), np.array([True]))
    assert compare(other, a, 100).resampled == "speakers"


def test_different_clips_keywords_and_truths_are_refused_by_name() -> None:
    a = predictions_of([sure(LABELS, "yes")] * 2, ["yes", "no"])
    with pytest.raises(DataError, match="'1'"):
        compare(a, a.take([0]))
    with pytest.raises(ManifestError, match="'0' is 'yes' to one system and 'stop' to the other"):
        compare(a, replace(a, words=("stop", "no")))
    up = predictions_of([sure(LABELS, "yes")] * 2, ["yes", "no"], labels=LabelSet(("yes", "no", "up")))
    with pytest.raises(UnknownLabelError, match="stop, up"):
        compare(a, up)


def test_a_headline_that_cannot_be_measured_is_not_compared() -> None:
    a = predictions_of([sure(LABELS, "yes")] * 4, ["yes"] * 4, ["a", "b", "c", "d"])
    line = next(line for line in compare(a, a, 50).headlines if line.name == "detection_rate_at_far@0.05")
    assert (line.difference, line.interval) == (None, None)
    assert "no _unknown_ clips" in line.verdict
