from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import det_curve as sklearn_det
from sklearn.metrics import roc_curve

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.detection import (
    det_curve,
    detection_at_far,
    equal_error_rate,
    threshold_for,
    unseen_negatives,
)
from speechtune.labels import LabelSet
from tests.support.answers import LABELS, predictions_of, simulate, sure

ONE = LabelSet(("yes",))


def one_keyword(keyword_scores: list[float], unknown_scores: list[float]) -> Predictions:
    """A model of one keyword, so that no clip is misnamed and plain detection theory holds."""
    scores = [*keyword_scores, *unknown_scores]
    words = ["yes"] * len(keyword_scores) + ["cat"] * len(unknown_scores)
    return predictions_of([[score, 1 - score, 0.0] for score in scores], words, labels=ONE)


def brute_force_detection_rate(predictions: Predictions, target: float) -> float:
    """Try every threshold there is; of those that let no more than the share through, keep the best."""
    candidates = [*np.unique(predictions.keyword_score), np.float32(2.0)]
    best = 0.0
    for threshold in candidates:
        passed = predictions.keyword_score >= threshold
        if passed[predictions.is_unknown].mean() <= target + 1e-9:
            hits = passed & (predictions.best_keyword == predictions.truth)
            best = max(best, float(hits[predictions.is_keyword].mean()))
    return best


@settings(max_examples=40)
@given(seed=st.integers(0, 2**16), target=st.sampled_from([0.05, 0.1, 0.2, 0.5]), digits=st.integers(1, 4))
def test_the_detection_rate_is_the_best_that_any_allowed_threshold_gives(seed: int, target: float, digits: int) -> None:
    found = simulate(np.random.default_rng(seed), 12, 12, skill=2.0)
    # Rounded scores are often equal: all or none of them may pass.
    predictions = predictions_of(np.round(found.posteriors, digits), found.words)
    detection = detection_at_far(predictions, target)
    assert detection.rate is not None
    assert detection.rate == pytest.approx(brute_force_detection_rate(predictions, target))
    assert detection.false_accept_rate is not None
    assert detection.false_accept_rate <= target


def test_a_misnamed_keyword_is_not_detected_however_high_it_scores() -> None:
    rows = [sure(LABELS, "no", 0.99), sure(LABELS, "yes", 0.9)] + [sure(LABELS, "_unknown_")] * 20
    predictions = predictions_of(rows, ["yes", "yes"] + ["cat"] * 20)
    assert detection_at_far(predictions, 0.05).rate == 0.5


def test_exactly_the_allowed_number_of_unknown_clips_gets_through() -> None:
    predictions = one_keyword([0.7, 0.85, 0.95], [0.9, 0.8] + [0.1] * 18)
    detection = detection_at_far(predictions, 0.05)
    assert (detection.rate, detection.false_accept_rate) == (pytest.approx(2 / 3), 0.05)


def test_silence_clips_take_no_part_in_rejection() -> None:
    loud_silence = predictions_of(
        [sure(LABELS, "yes", 0.6)] + [sure(LABELS, "_unknown_")] * 20 + [sure(LABELS, "yes", 1.0)] * 20,
        ["yes"] + ["cat"] * 20 + ["_silence_"] * 20,
    )
    assert detection_at_far(loud_silence, 0.05).rate == 1.0


@pytest.mark.parametrize(
    ("num_unknown", "target", "says"),
    [(20, 0.01, "at least 100 are needed"), (19, 0.05, "at least 20"), (0, 0.05, "no _unknown_ clips")],
)
def test_a_rate_below_one_clip_is_not_measured_and_says_so(num_unknown: int, target: float, says: str) -> None:
    detection = detection_at_far(one_keyword([0.9], [0.1] * num_unknown), target)
    assert detection.rate is None
    assert detection.threshold is None
    assert says in str(detection.reason)


def test_without_keyword_clips_nothing_is_detected_and_nothing_is_claimed() -> None:
    predictions = one_keyword([], [0.1] * 20)
    assert detection_at_far(predictions, 0.05).reason == "there are no keyword clips"
    assert det_curve(predictions) == ()
    assert equal_error_rate(predictions) is None


def test_scores_that_are_all_one_can_still_be_refused() -> None:
    assert threshold_for(np.ones(50, dtype=np.float32), 0.05) > 1.0


def test_a_threshold_lets_k_plus_one_of_n_plus_one_further_scores_through_on_average() -> None:
    rng = np.random.default_rng(3)
    shares = [1.0 - threshold_for(rng.random(182).astype(np.float32), 0.05) for _ in range(2000)]
    assert np.mean(shares) == pytest.approx(10 / 183, abs=0.001)


def test_unseen_negatives_are_the_words_that_the_model_was_not_shown() -> None:
    words = ["yes", "cat", "ship", "_unknown_", "_silence_"]
    predictions = predictions_of([sure(LABELS, "yes")] * 5, words)
    assert unseen_negatives(predictions).tolist() == [False, False, True, False, False]


scores = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0]), min_size=1, max_size=30)


@given(keyword_scores=scores, unknown_scores=scores)
def test_the_det_curve_agrees_with_scikit_learn(keyword_scores: list[float], unknown_scores: list[float]) -> None:
    points = det_curve(one_keyword(keyword_scores, unknown_scores))
    truth = [1] * len(keyword_scores) + [0] * len(unknown_scores)
    values = np.array([*keyword_scores, *unknown_scores], dtype=np.float32)
    far, hits, _ = roc_curve(truth, values, drop_intermediate=False)
    ours = {(round(point.false_accept_rate, 9), round(point.miss_rate, 9)) for point in points}
    assert ours == {(round(x, 9), round(1 - y, 9)) for x, y in zip(far, hits, strict=True)}
    det_far, det_miss, _ = sklearn_det(truth, values)
    assert {(round(x, 9), round(y, 9)) for x, y in zip(det_far, det_miss, strict=True)} <= ours


def test_a_thinned_curve_keeps_its_ends() -> None:
    predictions = simulate(np.random.default_rng(0), 20, 20)
    full, thin = det_curve(predictions), det_curve(predictions, 50)
    assert len(thin) == 50
    assert (thin[0], thin[-1]) == (full[0], full[-1])
    assert set(thin) <= set(full)


@given(keyword_scores=scores, unknown_scores=scores)
def test_the_equal_error_rate_lies_where_brute_force_finds_the_two_errors_crossing(
    keyword_scores: list[float], unknown_scores: list[float]
) -> None:
    predictions = one_keyword(keyword_scores, unknown_scores)
    rate = equal_error_rate(predictions)
    # Walk the curve in tiny steps and keep the place where the two errors differ least.
    far = np.array([point.false_accept_rate for point in det_curve(predictions)])
    miss = np.array([point.miss_rate for point in det_curve(predictions)])
    place = np.linspace(0, len(far) - 1, 20001)
    far_there, miss_there = (np.interp(place, np.arange(len(far)), curve) for curve in (far, miss))
    nearest = int(np.abs(far_there - miss_there).argmin())
    assert rate == pytest.approx(miss_there[nearest], abs=0.01)


def test_the_equal_error_rate_of_two_bells_is_what_the_normal_distribution_says() -> None:
    rng = np.random.default_rng(1)
    squash = lambda values: (1 / (1 + np.exp(-values))).tolist()  # noqa: E731
    predictions = one_keyword(squash(rng.normal(2.0, 1.0, 20000)), squash(rng.normal(0.0, 1.0, 20000)))
    assert equal_error_rate(predictions) == pytest.approx(0.1587, abs=0.005)  # one standard deviation from either
