from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from speechtune.errors import ConfigError
from speechtune.evaluation.figures.calibration import bin_of, expected_calibration_error, fit_temperature, reliability

clips = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=50)


@given(pairs=clips)
def test_the_calibration_error_is_the_one_computed_by_hand(pairs: list[tuple[float, bool]]) -> None:
    error = 0.0
    for index in range(15):
        inside = [(c, r) for c, r in pairs if index / 15 < c <= (index + 1) / 15 or (c == 0 and index == 0)]
        if inside:
            gap = abs(np.mean([c for c, _ in inside]) - np.mean([r for _, r in inside]))
            error += len(inside) / len(pairs) * gap
    confidence, correct = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    assert expected_calibration_error(confidence, correct) == pytest.approx(error, abs=1e-9)


@given(pairs=clips)
def test_the_reliability_bins_hold_every_clip_once_and_give_the_same_error(pairs: list[tuple[float, bool]]) -> None:
    confidence, correct = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    bins = reliability(confidence, correct)
    assert sum(part.num_clips for part in bins) == len(pairs)
    error = 0.0
    for part in bins:
        assert (part.mean_confidence is None) == (part.num_clips == 0)
        if part.mean_confidence is not None and part.accuracy is not None:
            assert part.low - 1e-9 <= part.mean_confidence <= part.high + 1e-9
            error += part.num_clips / len(pairs) * abs(part.mean_confidence - part.accuracy)
    assert expected_calibration_error(confidence, correct) == pytest.approx(error, abs=1e-9)


def test_without_clips_there_is_no_calibration_error() -> None:
    assert expected_calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) is None


def test_edges_belong_to_the_bin_below() -> None:
    assert bin_of(np.array([0.0, 0.2, 0.5, 0.50001, 1.0]), 10).tolist() == [0, 1, 4, 5, 9]


def sample(temperature: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits that are too large by `temperature`, and targets drawn from what they should have said."""
    true_logits = rng.normal(0, 2.0, (5000, 6))
    chances = np.exp(log_softmax(true_logits, axis=1))
    targets = np.array([rng.choice(6, p=row / row.sum()) for row in chances])
    return true_logits * temperature, targets


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    logits, targets = sample(temperature, np.random.default_rng(7))
    assert fit_temperature(logits, targets) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_is_the_one_scipy_finds() -> None:
    logits, targets = sample(2.0, np.random.default_rng(8))
    logits, targets = logits[:200], targets[:200]

    soft_targets = np.full((200, 6), 1 / 202 / 6)
    soft_targets[np.arange(200), targets] += 201 / 202

    def loss(inverse: float) -> float:
        return -float((log_softmax(inverse * logits, axis=1) * soft_targets).sum())

    theirs = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-10})
    assert fit_temperature(logits, targets) == pytest.approx(1 / theirs.x, rel=1e-4)


def test_clips_that_are_all_right_make_no_answer_certain_and_more_of_them_make_it_surer() -> None:
    confidences = []
    for num_clips in (3, 30, 300):
        logits = np.tile(np.eye(3) * 10.0, (num_clips // 3, 1))
        temperature = fit_temperature(logits, np.arange(num_clips) % 3)
        confidences.append(float(softmax(logits[0] / temperature)[0]))
    assert confidences == pytest.approx([1 - 2 / 15, 1 - 2 / 96, 1 - 2 / 906], rel=1e-6)


def test_clips_that_are_all_wrong_and_logits_that_tell_nothing_leave_the_temperature_in_its_range() -> None:
    assert fit_temperature(np.eye(3) * 100.0, (np.arange(3) + 1) % 3) == pytest.approx(20.0)
    assert fit_temperature(np.full((4, 3), 2.5), np.zeros(4, dtype=np.int64)) == 1.0


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.array([[0.0, np.nan, 1.0]])])
def test_no_clips_and_broken_logits_are_refused(logits: NDArray[np.float64]) -> None:
    with pytest.raises(ConfigError, match="at least one clip and finite logits"):
        fit_temperature(logits, np.zeros(len(logits), dtype=np.int64))
