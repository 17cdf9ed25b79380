from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from speechtune.evaluation.certainty.intervals import (
    Interval,
    binomial_interval,
    corrected_interval,
    difference_interval,
    groups_of,
    poisson_interval,
    rate_interval,
    resampled_weights,
    student_quantile,
)


def test_clips_of_one_speaker_are_drawn_together_and_nameless_ones_alone() -> None:
    groups = groups_of(["ann", None, "ann", "bob", None])
    assert groups.of_clip.tolist() == [0, 1, 0, 2, 3]
    assert (groups.num_groups, groups.unit) == (4, "speakers")
    assert groups_of([None, None]).unit == "clips"
    assert groups_of([]).num_groups == 0


def test_every_resample_draws_as_many_groups_as_there_are_and_the_seed_decides_which() -> None:
    groups = groups_of([str(clip % 7) for clip in range(50)])
    blocks = [np.concatenate(list(resampled_weights(groups, 500, seed))) for seed in (1, 1, 2)]
    assert blocks[0].shape == (500, 7)
    assert (blocks[0].sum(axis=1) == 7).all()
    assert np.array_equal(blocks[0], blocks[1])
    assert not np.array_equal(blocks[0], blocks[2])
    assert blocks[0].mean(axis=0) == pytest.approx(np.ones(7), abs=0.15)


def test_many_clips_are_resampled_in_blocks_that_stay_small() -> None:
    groups = groups_of([None] * 50_000)
    sizes = [weights.size for weights in resampled_weights(groups, 100, 0)]
    assert sum(sizes) == 100 * 50_000
    assert max(sizes) <= 4_000_000


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 6.5, 7, 10, 20, 50, 100, 1000, 100_000])
def test_students_quantile_agrees_with_scipy(degrees: float) -> None:
    assert student_quantile(degrees) == pytest.approx(float(stats.t.ppf(0.975, degrees)), rel=2e-3)


@given(count=st.integers(1, 500), exposure=st.floats(0.01, 100.0))
def test_the_poisson_interval_is_garwoods(count: int, exposure: float) -> None:
    interval = poisson_interval(count, exposure)
    assert interval.low * exposure == pytest.approx(float(stats.chi2.ppf(0.025, 2 * count)) / 2, rel=1e-6)
    assert interval.high * exposure == pytest.approx(float(stats.chi2.ppf(0.975, 2 * count + 2)) / 2, rel=1e-6)


def test_no_event_in_two_hours_is_below_three_halves_an_hour() -> None:
    interval = poisson_interval(0, 2.0)
    assert interval.low == 0.0
    assert interval.high == pytest.approx(3.0 / 2.0, abs=0.01)


def test_independent_clips_give_the_exact_interval() -> None:
    rng = np.random.default_rng(0)
    right = np.zeros(2000)
    right[:1900] = 1.0
    resampled = rng.binomial(2000, 0.95, size=4000) / 2000
    interval = rate_interval(0.95, resampled, 2000, 2000)
    theirs = stats.binomtest(1900, 2000).proportion_ci(method="exact")
    assert interval is not None
    assert interval.low == pytest.approx(theirs.low, abs=0.0006)
    assert interval.high == pytest.approx(theirs.high, abs=0.0006)


@pytest.mark.parametrize(("right", "num"), [(0, 7), (1, 1), (199, 200), (30, 60), (400, 400)])
def test_the_binomial_interval_is_that_of_scipy(right: int, num: int) -> None:
    theirs = stats.binomtest(right, num).proportion_ci(method="exact")
    ours = binomial_interval(right / num, num)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_without_any_clip_the_figure_may_be_anything() -> None:
    assert binomial_interval(0.5, 0.0) == Interval(0.0, 1.0)


def test_a_model_without_an_error_still_has_an_interval_of_about_four_clips() -> None:
    interval = rate_interval(1.0, np.ones(100), 50, 400)
    assert interval is not None
    assert interval.high == 1.0
    assert 1 - interval.low == pytest.approx(4 / 400, rel=0.1)


def test_few_speakers_widen_the_interval() -> None:
    resampled = np.random.default_rng(0).normal(0.9, 0.02, 2000)
    widths = []
    for num_groups in (3, 6, 100):
        interval = rate_interval(0.9, resampled, num_groups, 1000)
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths, reverse=True)


@given(rate=st.floats(0, 1), spread=st.floats(0, 0.3), num_groups=st.integers(2, 50), num_clips=st.integers(1, 5000))
def test_every_interval_holds_its_own_figure_and_stays_in_range(
    rate: float, spread: float, num_groups: int, num_clips: int
) -> None:
    resampled = np.clip(np.random.default_rng(0).normal(rate, spread, 200), 0, 1)
    for interval in (
        rate_interval(rate, resampled, num_groups, num_clips),
        difference_interval(rate, resampled, num_groups, num_clips),
    ):
        assert interval is not None
        assert rate in interval
        assert -1.0 <= interval.low <= interval.high <= 1.0


def test_one_speaker_or_no_figure_gives_no_interval() -> None:
    defined, undefined = np.full(10, 0.5), np.full(10, np.nan)
    for resampled, num_groups in ((defined, 1), (undefined, 5), (np.array([]), 5)):
        assert rate_interval(0.5, resampled, num_groups, 10) is None
        assert difference_interval(0.5, resampled, num_groups, 10) is None
        assert corrected_interval(0.5, resampled, num_groups, 0.0) is None


def test_systems_that_answer_alike_are_equal_only_as_far_as_the_clips_can_show() -> None:
    interval = difference_interval(0.0, np.zeros(100), 1000, 1000)
    assert interval is not None
    assert interval.high == pytest.approx(1.96 * math.sqrt(2) / 1000, rel=0.01)
    assert interval.low == -interval.high


def test_a_figure_that_noise_makes_larger_is_corrected_downwards() -> None:
    resampled = np.random.default_rng(0).normal(0.06, 0.005, 2000)  # the truth is 0.04, noise adds 0.01 at each stage
    interval = corrected_interval(0.05, resampled, 100, 0.001)
    assert interval is not None
    assert 0.04 in interval
    assert interval.high < 0.055
    assert interval.low > 0.025
    # What chance alone may have made of a faultless model is no evidence of an error.
    faultless = corrected_interval(0.05, resampled, 100, 0.06)
    assert faultless is not None
    assert (faultless.low, faultless.high) == (0.0, interval.high)


def test_an_interval_holds_its_ends() -> None:
    assert 0.25 in Interval(0.25, 0.5)
    assert 0.5 in Interval(0.25, 0.5)
    assert 0.51 not in Interval(0.25, 0.5)


def test_errors_that_lie_with_a_few_speakers_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    even = rng.normal(0.9, 0.02, 2000)
    skewed = 0.9 - 0.02 * (rng.gamma(4.0, 1.0, 2000) - 4.0) / 2.0  # the same mean and spread
    widths = []
    for resampled in (even, skewed):
        interval = rate_interval(0.9, resampled, 30, 1000)
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert widths[1] > 1.1 * widths[0]
