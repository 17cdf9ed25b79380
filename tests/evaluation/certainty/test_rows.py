from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty import resampling
from speechtune.evaluation.certainty.intervals import groups_of, rate_interval, resampled_weights
from speechtune.evaluation.certainty.resampling import share_intervals
from speechtune.evaluation.certainty.rows import RowIntervals
from speechtune.evaluation.clips.compute import compute_metrics
from speechtune.evaluation.clips.headlines import headline_intervals
from speechtune.evaluation.clips.robustness import slices
from speechtune.evaluation.figures.calibration import reliability
from speechtune.evaluation.figures.confusion import confusion_matrix, label_scores
from speechtune.evaluation.figures.detection import det_curve
from tests.support.answers import LABELS, predictions_of, simulate, sure

NUM_RESAMPLES = 200


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    return simulate(np.random.default_rng(0), 25, 16, skill=2.0)


@pytest.fixture(scope="module")
def rows(predictions: Predictions) -> RowIntervals:
    return RowIntervals(predictions, groups_of(predictions.speakers), NUM_RESAMPLES)


def test_intervals_of_labels_come_from_clips_that_are_truly_listed_that_often(predictions, rows):
    # Second opinion: scikit-learn's figures on every resample, written out clip by clip.
    groups = groups_of(predictions.speakers)
    every = range(len(LABELS.labels))
    resampled = []
    for weights in np.concatenate(list(resampled_weights(groups, NUM_RESAMPLES, 0))):
        listed = np.repeat(np.arange(len(predictions)), weights[groups.of_clip])
        theirs = precision_recall_fscore_support(
            predictions.truth[listed], predictions.predicted[listed], labels=list(every), zero_division=np.nan
        )
        resampled.append(theirs[:3])
    scores = label_scores(confusion_matrix(predictions.truth, predictions.predicted, len(LABELS.labels)))
    said, answered = predictions.truth, predictions.predicted
    for label, found in zip(every, rows.labels(), strict=True):
        rests_on = (answered == label, said == label, (said == label) | (answered == label))
        values = (scores[label].precision, scores[label].recall, scores[label].f1)
        for kind, (interval, value, clips) in enumerate(zip(found, values, rests_on, strict=True)):
            spread = np.array([one[kind][label] for one in resampled])
            expected = rate_interval(value, spread, groups.num_among(clips), int(clips.sum()))
            assert interval is not None
            assert interval.ends == pytest.approx(expected.ends, abs=1e-9)


def test_every_row_of_the_metrics_lies_in_its_interval(predictions):
    metrics = compute_metrics(predictions, num_resamples=NUM_RESAMPLES)
    pairs = [(one.accuracy, one.accuracy_interval) for one in metrics.reliability if one.num_clips > 20]
    for one in metrics.per_label.values():
        pairs += [(one.precision, one.precision_interval), (one.recall, one.recall_interval), (one.f1, one.f1_interval)]
    for point in metrics.det:
        pairs += [(point.false_accept_rate, point.false_accept_interval), (point.miss_rate, point.miss_interval)]
    for said, row in metrics.confusion.items():
        assert set(metrics.confusion_intervals[said]) == {answered for answered, count in row.items() if count}
        total = sum(row.values())
        pairs += [(row[answered] / total, ends) for answered, ends in metrics.confusion_intervals[said].items()]
    pairs += [(metrics.equal_error_rate, metrics.intervals["equal_error_rate"])]
    unseen = metrics.detection_rate_at_far_unseen["0.05"]
    pairs += [(unseen, metrics.intervals["detection_rate_at_far_unseen@0.05"])]
    for value, ends in pairs:
        assert ends is not None
        assert ends[0] <= value <= ends[1]
        assert ends[1] - ends[0] > 0.0


def test_what_has_no_clips_or_one_speaker_has_no_interval():
    lone = compute_metrics(
        predictions_of([sure(LABELS, "yes")] * 3, ["yes", "yes", "no"], ["ann"] * 3), num_resamples=20
    )
    assert lone.per_label["yes"].recall == 1.0
    assert lone.per_label["yes"].recall_interval is None
    two = compute_metrics(predictions_of([sure(LABELS, "yes")] * 2, ["yes", "yes"], ["ann", "bob"]), num_resamples=20)
    assert (two.per_label["no"].recall, two.per_label["no"].recall_interval) == (None, None)
    assert two.confusion_intervals["no"] == {}
    assert [one.accuracy_interval for one in two.reliability if not one.num_clips] == [None] * 14


def test_many_shares_at_once_are_those_of_few_at_a_time(predictions, rows, monkeypatch):
    whole = rows.det(det_curve(predictions, 20))
    monkeypatch.setattr(resampling, "_MAX_CELLS", 3 * 25)
    assert rows.det(det_curve(predictions, 20)) == whole


def test_a_share_is_as_well_known_as_the_headline_of_the_same_clips(predictions):
    right = predictions.predicted == predictions.truth
    groups = groups_of(predictions.speakers)
    (found,) = share_intervals([right], [np.ones(len(right), dtype=np.bool_)], groups, NUM_RESAMPLES)
    assert found is not None
    assert found.ends == pytest.approx(headline_intervals(predictions, NUM_RESAMPLES)["accuracy"].ends, abs=1e-12)


def test_bins_of_confidence_hold_the_accuracy_they_are_about(predictions, rows):
    correct = predictions.predicted == predictions.truth
    for one, interval in zip(reliability(predictions.posteriors.max(axis=1), correct), rows.reliability(), strict=True):
        if one.num_clips > 20:
            assert one.accuracy in interval


def test_within_one_speaker_clips_are_independent_and_in_a_room_speakers_are_resampled():
    answers = ["yes", "yes", "no", "yes"]
    found = predictions_of([sure(LABELS, answer) for answer in answers], ["yes"] * 4, ["ann"] * 4)
    (ann,) = slices(found, "speaker", 0.5)
    theirs = stats.binomtest(3, 4).proportion_ci(method="exact")
    assert ann.accuracy_interval == pytest.approx((theirs.low, theirs.high))
    assert ann.detection_interval == pytest.approx((theirs.low, theirs.high))
    assert (ann.false_accept_rate, ann.false_accept_interval) == (None, None)
    assert slices(found, "speaker")[0].detection_interval is None

    several = simulate(np.random.default_rng(1), 20, 20, spread=2.0)
    (room,) = slices(replace(several, rooms=("kitchen",) * len(several)), "room", 0.5)
    nameless = replace(several, rooms=("kitchen",) * len(several), speakers=(None,) * len(several))
    (narrower,) = slices(nameless, "room", 0.5)
    assert room.accuracy_interval is not None
    assert narrower.accuracy_interval is not None
    widths = [high - low for low, high in (room.accuracy_interval, narrower.accuracy_interval)]
    assert widths[0] > 1.3 * widths[1]
