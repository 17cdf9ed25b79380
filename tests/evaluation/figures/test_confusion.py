from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import f1_score, precision_recall_fscore_support

from speechtune.evaluation.figures.confusion import (
    LabelScores,
    accuracy,
    closed_set_accuracy,
    collapsed_onto,
    confusion_matrix,
    label_scores,
    macro_f1,
)
from tests.support.answers import LABELS, predictions_of, sure

answers = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(pairs=answers)
def test_counts_precision_recall_and_f1_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    confusion = confusion_matrix(truth, predicted, 5)
    assert np.array_equal(confusion, sklearn_confusion(truth, predicted, labels=range(5)))
    theirs = precision_recall_fscore_support(truth, predicted, labels=range(5), zero_division=np.nan)
    for scores, precision, recall, f1, support in zip(label_scores(confusion), *theirs, strict=True):
        assert scores.num_clips == support
        assert scores.precision == pytest.approx(precision, nan_ok=True) or np.isnan(precision)
        assert scores.recall == pytest.approx(recall, nan_ok=True) or np.isnan(recall)
        assert scores.f1 == pytest.approx(f1) or scores.f1 is None
    said = sorted(set(truth.tolist()))
    assert macro_f1(confusion) == pytest.approx(f1_score(truth, predicted, labels=said, average="macro"))
    assert accuracy(confusion) == pytest.approx((truth == predicted).mean())


def test_what_is_undefined_is_none_and_what_is_zero_is_zero() -> None:
    never_said_never_answered = LabelScores(0, None, None, None)
    missed = LabelScores(2, None, 0.0, 0.0)
    only_answered = LabelScores(0, 0.0, None, 0.0)
    confusion = np.array([[0, 2, 0], [0, 0, 0], [0, 0, 0]])
    assert label_scores(confusion) == (missed, only_answered, never_said_never_answered)
    assert macro_f1(confusion) == 0.0
    nothing = np.zeros((3, 3), dtype=np.int64)
    assert (accuracy(nothing), macro_f1(nothing), collapsed_onto(nothing)) == (None, None, None)


def test_closed_set_accuracy_looks_at_keyword_clips_and_keywords_only() -> None:
    rows = [[0.2, 0.1, 0.0, 0.7, 0.0], [0.3, 0.2, 0.0, 0.0, 0.5], sure(LABELS, "yes"), sure(LABELS, "yes")]
    predictions = predictions_of(rows, ["yes", "no", "cat", "_silence_"])
    assert closed_set_accuracy(predictions) == 0.5
    assert closed_set_accuracy(predictions.take([2, 3])) is None


def test_a_model_that_answers_one_label_is_found_out() -> None:
    assert collapsed_onto(np.array([[0, 9, 0], [0, 10, 0], [0, 9, 1]])) == 1


def test_a_test_set_of_one_label_is_no_collapse() -> None:
    assert collapsed_onto(np.array([[0, 0], [1, 40]])) is None
