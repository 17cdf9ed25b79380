"""Which clips sound like another label than their own."""

import numpy as np
import pytest

from speechtune.data.inspection.label_scores import held_out_scores, margin_of_others, scores_of


def clusters(num_clips, num_labels, size, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    centres = 3.0 * rng.standard_normal((num_labels, size))
    targets = np.arange(num_clips) % num_labels
    embeddings = centres[targets] + spread * rng.standard_normal((num_clips, size))
    return embeddings.astype(np.float32), targets


@pytest.mark.parametrize("size", [8, 60])
def test_held_out_scores_are_those_of_a_fit_without_the_clip(size):
    embeddings, targets = clusters(30, 3, size)
    scores = held_out_scores(embeddings, targets)
    scale = embeddings.std(axis=0, dtype=np.float64)
    standard = (embeddings - embeddings.mean(axis=0, dtype=np.float64)) / (scale + 0.01 * scale.mean() + 1e-9)
    standard /= np.sqrt(size)
    truth = np.eye(3)[targets]
    for place in (0, 7, 29):
        rest = np.arange(30) != place
        gram = standard[rest].T @ standard[rest] + 0.3 * np.eye(size)
        weights = np.linalg.solve(gram, standard[rest].T @ (truth - truth.mean(axis=0))[rest])
        assert np.allclose(standard[place] @ weights + truth.mean(axis=0), scores[place], atol=1e-5)


def test_a_swapped_label_is_found_and_the_right_one_named():
    embeddings, targets = clusters(200, 5, 64)
    given = targets.copy()
    swapped = [3, 50, 101, 160]
    given[swapped] = (given[swapped] + 2) % 5
    scores = held_out_scores(embeddings, given)
    margins = margin_of_others(scores, given)
    assert sorted(np.argsort(-margins)[:4]) == swapped
    assert np.array_equal(scores[swapped].argmax(axis=1), targets[swapped])
    assert np.delete(margins, swapped).max() < 0 < margins[swapped].min()


def test_other_clips_are_scored_and_labels_count_alike_however_many_clips_they_have():
    embeddings, targets = clusters(60, 2, 32)
    keep = np.concatenate([np.flatnonzero(targets == 0)[:10], np.flatnonzero(targets == 1)[:2]])
    others = np.flatnonzero(targets == 1)[5:]
    scores = scores_of(embeddings[keep], targets[keep], embeddings[others])
    assert (scores.argmax(axis=1) == 1).all()
