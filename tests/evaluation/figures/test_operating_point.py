from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.errors import ConfigError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.operating_point import (
    DEFAULT_THRESHOLD,
    HIGHEST,
    LOWEST,
    accepted,
    choose_thresholds,
)
from speechtune.labels import LabelSet
from tests.support.answers import LABELS, predictions_of, simulate, sure

TWO = LabelSet(("yes", "no"))


def biased(num_clips: int, rng: np.random.Generator) -> Predictions:
    """Keyword `no` scores 3 logits higher than `yes` on its own clips and on negatives alike."""
    words = rng.choice(["yes", "no", "cat"], size=num_clips, p=[0.25, 0.25, 0.5])
    near = rng.integers(0, 2, size=num_clips)  # the keyword a clip is, or resembles
    near = np.where(words == "cat", near, (words == "no").astype(int))
    score = rng.normal(np.where(words == "cat", -3.0, 0.5), 1.0) + 3.0 * (near == 1)
    posterior = 1 / (1 + np.exp(-score))
    rows = np.zeros((num_clips, 4))
    rows[np.arange(num_clips), near] = posterior
    rows[:, 2] = 1 - posterior
    return predictions_of(rows, words.tolist(), labels=TWO)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**16), target=st.sampled_from([0.05, 0.1, 0.3]))
def test_the_chosen_thresholds_let_the_asked_share_of_negatives_through(seed: int, target: float) -> None:
    predictions = simulate(np.random.default_rng(seed), 40, 20, skill=2.0)
    point = choose_thresholds(predictions, target)
    assert point.note is None
    assert point.false_accept_rate == pytest.approx(target, abs=0.02)
    assert all(LOWEST <= threshold <= HIGHEST for threshold in point.thresholds.values())


def test_on_new_clips_the_rate_is_met_on_average() -> None:
    rng = np.random.default_rng(5)
    fresh = simulate(rng, 2000, 20, spread=0.0)
    rates = []
    for _ in range(150):
        point = choose_thresholds(simulate(rng, 10, 20, spread=0.0), 0.05)
        rates.append((accepted(fresh, point.thresholds) >= 0)[fresh.is_unknown].mean())
    assert np.mean(rates) == pytest.approx(0.05, abs=0.006)  # the rates spread by 0.022


def test_with_many_clips_a_keyword_that_scores_high_gets_a_high_threshold_and_more_is_detected() -> None:
    rng = np.random.default_rng(0)
    point = choose_thresholds(biased(4000, rng), 0.02)
    assert point.thresholds["no"] > point.thresholds["yes"] + 0.2
    fresh = biased(4000, rng)
    one_for_all = float(np.quantile(fresh.keyword_score[fresh.is_unknown], 0.98))
    detected = [
        float((accepted(fresh, thresholds) == fresh.truth)[fresh.is_keyword].mean())
        for thresholds in (point.thresholds, {"yes": one_for_all, "no": one_for_all})
    ]
    assert detected[0] > detected[1] + 0.03


def test_with_few_clips_the_thresholds_stay_near_one_another() -> None:
    shifts = []
    for num_clips in (12, 4000):
        thresholds = choose_thresholds(biased(num_clips, np.random.default_rng(1)), 0.2).thresholds
        logits = {word: np.log(level / (1 - level)) for word, level in thresholds.items()}
        shifts.append(logits["no"] - logits["yes"])
    assert abs(shifts[0]) < 0.5 * abs(shifts[1])


def test_hours_of_easy_negatives_do_not_lower_the_thresholds_for_the_hard_ones() -> None:
    rng = np.random.default_rng(3)
    hard = [sure(LABELS, "yes", score) for score in rng.uniform(0.2, 0.9, 40)]
    easy = [sure(LABELS, "yes", score) for score in rng.uniform(0.01, 0.1, 4_000)]
    words = ["bird"] * 20 + ["cat"] * 20
    alone = choose_thresholds(predictions_of(hard, words), 0.2)
    both = choose_thresholds(predictions_of(hard + easy, words + ["_unknown_"] * 4_000), 0.2)
    assert both.false_accept_rate == pytest.approx(0.2, abs=0.02)
    # A third of the weight never passes: three in ten of the hard ones do, not 20 % of all, which is every one of them.
    passed = both.thresholds["yes"] <= np.array([row[0] for row in hard])
    assert 0.25 <= passed.mean() <= 0.35
    assert both.thresholds["yes"] > 0.8 * alone.thresholds["yes"]


@pytest.mark.parametrize("num_negatives", [1, 2, 5, 20])
def test_a_rate_below_one_negative_is_extended_beyond_the_highest_score(num_negatives: int) -> None:
    rng = np.random.default_rng(num_negatives)
    rows = [sure(LABELS, "yes", 0.95)] + [sure(LABELS, "yes", score) for score in rng.uniform(0.3, 0.6, num_negatives)]
    predictions = predictions_of(rows, ["yes"] + ["cat"] * num_negatives)
    thresholds = [choose_thresholds(predictions, target).thresholds["yes"] for target in (0.1, 0.01, 0.001)]
    assert thresholds == sorted(thresholds)
    if num_negatives > 1:
        assert thresholds[-1] > predictions.keyword_score[1:].max()
    assert thresholds[-1] <= HIGHEST


def test_without_negatives_the_default_is_taken_and_said() -> None:
    point = choose_thresholds(predictions_of([sure(LABELS, "yes")] * 3, ["yes", "yes", "no"]), 0.02)
    assert point.thresholds == dict.fromkeys(LABELS.keywords, DEFAULT_THRESHOLD)
    assert point.false_accept_rate is None
    assert point.detection_rate == pytest.approx(2 / 3)
    assert "no negatives" in str(point.note)


def test_silence_stands_in_for_negatives_only_where_there_are_none() -> None:
    rows = [sure(LABELS, "yes")] * 10 + [sure(LABELS, "no", 0.6)] * 10 + [sure(LABELS, "_silence_", 1.0)] * 90
    words = ["yes"] * 10 + ["cat"] * 10 + ["_silence_"] * 90
    predictions = predictions_of(rows, words)
    assert choose_thresholds(predictions, 0.1).thresholds["no"] >= 0.6
    without_words = predictions.take([*range(10), *range(20, 110)])
    assert choose_thresholds(without_words, 0.1).thresholds["no"] == LOWEST


def test_negatives_that_score_like_keywords_are_reported_not_hidden() -> None:
    rows = [sure(LABELS, "yes", 1.0)] * 40
    point = choose_thresholds(predictions_of(rows, ["yes"] * 20 + ["cat"] * 20), 0.02)
    assert max(point.thresholds.values()) == HIGHEST
    assert point.false_accept_rate == 1.0
    assert "above 0.995" in str(point.note)


def test_the_session_reports_the_best_of_the_keywords_that_pass() -> None:
    rows = [[0.5, 0.4, 0.1, 0, 0], [0.5, 0.3, 0.2, 0, 0], [0.1, 0.1, 0.1, 0.7, 0]]
    predictions = predictions_of(rows, ["yes", "yes", "cat"])
    thresholds = {"yes": 0.6, "no": 0.35, "stop": 0.15}
    assert accepted(predictions, thresholds).tolist() == [1, 2, -1]


@pytest.mark.parametrize("target", [0.0, 1.0, -1.0, float("nan")])
def test_a_rate_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(ConfigError, match="false_accept_rate"):
        choose_thresholds(predictions_of([sure(LABELS, "yes")], ["yes"]), target)


def test_no_clips_are_refused() -> None:
    with pytest.raises(ConfigError, match="without clips"):
        choose_thresholds(predictions_of(np.zeros((0, 5)), []), 0.02)
