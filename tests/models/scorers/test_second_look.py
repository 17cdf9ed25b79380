"""A window in doubt is looked at again, and no other one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from speechtune.errors import UnsupportedAudioError
from speechtune.labels import LabelSet
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.models.export import export_onnx
from speechtune.models.scorers.second_look import SecondLookScorer, with_second_look
from speechtune.models.scorers.torch_scorer import TorchScorer
from speechtune_server.engine.backends import loader_for
from speechtune_server.process.config import Backend
from tests.support.encoders import noise_windows, random_checkpoint

SAMPLES = 16_000
MOVE = 1_200


class ByPlace:
    """Posteriors that depend on where the one sample of a window lies; counts what it is asked."""

    labels = LabelSet(("go",), ("stop",))
    thresholds = {"go": 0.5}  # noqa: RUF012 - a constant here
    window_samples = SAMPLES

    def __init__(self, go_at):
        self.go_at = go_at
        self.num_scored = 0

    def score(self, windows):
        self.num_scored += len(windows)
        places = [int(np.flatnonzero(window)[0]) if window.any() else None for window in windows]
        go = np.array([self.go_at[place] for place in places], dtype=np.float32)
        return np.stack([go, 1.0 - go, np.zeros_like(go)], axis=1)


def window_with_sample(place):
    window = np.zeros((1, SAMPLES), dtype=np.float32)
    window[0, place] = 1.0
    return window


@pytest.mark.parametrize("sure", [0.0, 0.04, 0.91, 1.0])
def test_a_sure_answer_is_left_as_it_is(sure):
    scorer = ByPlace({8_000: sure})
    assert SecondLookScorer(scorer).score(window_with_sample(8_000))[0, 0] == np.float32(sure)
    assert scorer.num_scored == 1


def test_a_doubtful_answer_becomes_the_geometric_mean_of_three_places():
    scorer = ByPlace({8_000: 0.5, 8_000 - MOVE: 0.8, 8_000 + MOVE: 0.9})
    posteriors = SecondLookScorer(scorer).score(window_with_sample(8_000))
    go, other = np.cbrt(0.5 * 0.8 * 0.9), np.cbrt(0.5 * 0.2 * 0.1)
    assert posteriors[0, 0] == pytest.approx(go / (go + other), abs=1e-4)
    assert posteriors.sum() == pytest.approx(1.0, abs=1e-6)
    assert scorer.num_scored == 3


def test_what_leaves_the_window_does_not_come_back_on_its_other_side():
    scorer = ByPlace({100: 0.5, 100 + MOVE: 0.5, None: 0.0})
    SecondLookScorer(scorer).score(window_with_sample(100))
    assert scorer.num_scored == 3


def test_one_look_is_all_that_is_taken_where_no_second_is_wanted():
    scorer = ByPlace({8_000: 0.5})
    assert with_second_look(scorer, False) is scorer


def test_a_window_has_the_same_posteriors_alone_and_in_company():
    checkpoint = random_checkpoint()
    first_look = TorchScorer(checkpoint.classifier, checkpoint.thresholds)
    scorer = SecondLookScorer(first_look)
    windows = noise_windows(9).numpy()
    together = scorer.score(windows)
    assert np.abs(together - first_look.score(windows)).max() > 1e-4  # some of them were in doubt
    alone = np.concatenate([scorer.score(windows[index : index + 1]) for index in range(len(windows))])
    assert np.abs(together - alone).max() < 1e-5
    assert np.allclose(together.sum(axis=1), 1.0, atol=1e-5)
    assert scorer.score(windows[:0]).shape == (0, together.shape[1])
    with pytest.raises(UnsupportedAudioError, match="this model takes"):
        scorer.score(windows[:, :-1])


@pytest.mark.parametrize("wanted", [True, False])
def test_a_checkpoint_its_export_and_the_server_look_as_often_as_the_recipe_says(tmp_path, wanted):
    fresh = random_checkpoint()
    clip = fresh.recipe.clip.model_copy(update={"second_look": wanted})
    recipe = fresh.recipe.model_copy(update={"clip": clip})
    saved = save_checkpoint(dataclasses.replace(fresh, recipe=recipe), tmp_path / "model")
    export_onnx(saved, tmp_path / "model.onnx")
    scorers = [
        saved.scorer(),
        load_checkpoint(tmp_path / "model").scorer(),
        loader_for(Backend.TORCH, None, 1)("model", tmp_path / "model").scorer,
        loader_for(Backend.ONNX, None, 1)("model", tmp_path / "model.onnx").scorer,
    ]
    assert [isinstance(scorer, SecondLookScorer) for scorer in scorers] == [wanted] * 4


def test_many_windows_in_doubt_are_looked_at_in_parts_with_the_answers_each_has_alone():
    places = np.arange(2_000, 2_000 + 150)
    go_at = {int(place) + move: 0.3 + 0.001 * (int(place) % 300) for place in places for move in (-MOVE, 0, MOVE)}
    scorer = SecondLookScorer(ByPlace(go_at))
    windows = np.concatenate([window_with_sample(int(place)) for place in places])
    together = scorer.score(windows)
    np.testing.assert_array_equal(together, np.concatenate([scorer.score(window[None]) for window in windows]))
