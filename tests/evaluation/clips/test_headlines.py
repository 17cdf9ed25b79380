from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty.intervals import groups_of
from speechtune.evaluation.clips.comparison import compare
from speechtune.evaluation.clips.compute import compute_metrics
from speechtune.evaluation.clips.headlines import headline_intervals, headlines
from tests.support.answers import LABELS, predictions_of, simulate, sure


def repeat(predictions: Predictions, times: np.ndarray) -> Predictions:
    """A set that truly holds every clip as often as the resample drew it."""
    rows = np.repeat(np.arange(len(predictions)), times)
    return predictions_of(predictions.posteriors[rows], [predictions.words[row] for row in rows])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), digits=st.integers(1, 5))
def test_a_weighted_headline_is_the_headline_of_clips_listed_that_often(seed: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = simulate(rng, 8, 60, skill=2.0)
    predictions = predictions_of(np.round(drawn.posteriors, digits), drawn.words, drawn.speakers)
    groups = groups_of(predictions.speakers)
    weights = np.vstack([np.ones(8, dtype=np.int64), rng.multinomial(8, np.full(8, 1 / 8), size=3)])
    for line in headlines(predictions, groups):
        values = line.resample(weights)
        for row, value in zip(weights, values, strict=True):
            listed = repeat(predictions, row[groups.of_clip])
            plain = next(other for other in headlines(listed, groups_of(listed.speakers)) if other.name == line.name)
            if plain.value is not None:
                assert value == pytest.approx(plain.value, abs=1e-7), line.name
        if line.value is not None:
            assert values[0] == pytest.approx(line.value, abs=1e-7)


def test_every_interval_holds_the_truth_about_nineteen_times_in_twenty() -> None:
    # Quick and coarse here; benchmarks/interval_coverage.py does it thoroughly.
    population = simulate(np.random.default_rng(0), 3000, 20)
    truth = {line.name: line.value for line in headlines(population, groups_of(population.speakers))}
    inside: Counter[str] = Counter()
    num_trials = 100
    for trial in range(num_trials):
        sample = simulate(np.random.default_rng(trial + 1), 60, 20)
        for name, interval in headline_intervals(sample, 300).items():
            assert interval is not None
            inside[name] += truth[name] in interval
    assert all(inside[name] / num_trials >= 0.88 for name in truth), inside
    assert inside["accuracy"] < num_trials


@pytest.mark.parametrize(("num_speakers", "clips_per_speaker"), [(100, 20), (2000, 1)])
def test_resamples_cost_a_fraction_of_scoring_each_one_anew(num_speakers: int, clips_per_speaker: int) -> None:
    predictions = simulate(np.random.default_rng(0), num_speakers, clips_per_speaker)
    start = time.process_time()
    headline_intervals(predictions, 2000)
    all_at_once = time.process_time() - start
    groups = groups_of(predictions.speakers)
    start = time.process_time()
    for _ in range(20):
        headlines(predictions, groups)
    assert all_at_once < (time.process_time() - start) / 20 * 2000 / 4


def test_intervals_are_the_same_every_time_and_without_speakers_they_are_narrower() -> None:
    predictions = simulate(np.random.default_rng(0), 30, 30, spread=2.0)
    first, second = headline_intervals(predictions, 500), headline_intervals(predictions, 500)
    assert first == second
    nameless = headline_intervals(predictions_of(predictions.posteriors, predictions.words), 500)
    with_speakers, without = first["accuracy"], nameless["accuracy"]
    assert with_speakers is not None
    assert without is not None
    assert without.high - without.low < 0.8 * (with_speakers.high - with_speakers.low)


def test_one_speaker_gives_figures_but_no_interval() -> None:
    predictions = simulate(np.random.default_rng(0), 1, 40)
    assert set(headline_intervals(predictions, 50).values()) == {None}


def test_a_detection_rate_whose_threshold_rests_on_too_few_other_words_has_no_interval_but_a_reason() -> None:
    drawn = simulate(np.random.default_rng(0), 40, 80)
    keywords, unknown = np.flatnonzero(drawn.is_keyword), np.flatnonzero(drawn.is_unknown)
    # Of 30 clips one and a half may be let through.
    for num, has_interval in ((30, True), (29, False)):
        some = drawn.take([*keywords, *unknown[:num]])
        metrics = compute_metrics(some, num_resamples=50)
        assert metrics.detection_rate_at_far["0.05"] is not None
        assert (metrics.intervals["detection_rate_at_far@0.05"] is not None) == has_interval
        why = metrics.not_measured.get("intervals.detection_rate_at_far@0.05")
        assert why == (
            None
            if has_interval
            else f"{num} clips of other words say too little about the threshold; at least 30 are needed"
        )
        (line,) = [one for one in compare(some, some, 50).headlines if one.name == "detection_rate_at_far@0.05"]
        assert line.verdict == ("no evidence of a difference" if has_interval else f"no interval: {why}")


def test_what_has_no_clips_has_no_value_and_no_interval_but_a_reason() -> None:
    predictions = predictions_of([sure(LABELS, "_unknown_")] * 4, ["cat"] * 4, ["a", "b", "c", "d"])
    lines = {line.name: line for line in headlines(predictions, groups_of(predictions.speakers))}
    assert lines["accuracy"].value == 1.0
    assert lines["closed_set_accuracy"].reason == "there are no keyword clips"
    assert lines["detection_rate_at_far@0.05"].reason == "there are no keyword clips"
    assert headline_intervals(predictions, 50)["closed_set_accuracy"] is None


def test_a_model_whose_confidences_are_honest_is_not_accused_of_a_calibration_error() -> None:
    # The error of few clips is never 0; about one set in five was accused before chance was allowed for.
    accused = 0
    num_trials = 60
    for trial in range(num_trials):
        drawn = simulate(np.random.default_rng(trial), 60, 20, spread=0.0)
        honest = drawn.posteriors.astype(np.float64) ** 3.0  # of unit noise around a skill of 3: the likelihood
        honest /= honest.sum(axis=1, keepdims=True)
        sample = predictions_of(honest, drawn.words, drawn.speakers)
        interval = headline_intervals(sample, 200)["expected_calibration_error"]
        assert interval is not None
        accused += interval.low > 0.0005
    assert accused <= 0.07 * num_trials
