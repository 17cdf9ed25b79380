"""Searching settings: it begins with what there is, goes on where it stopped, and reads no test clip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="optuna is not installed (pip install 'speechtune[search]')")

from speechtune.errors import ConfigError
from speechtune.recipe import Recipe
from speechtune.training.reading import TrainingData
from speechtune.training.search import Found, search
from tests.support.clips import make_folder
from tests.support.encoders import save_random_model

LABELS = {"yes": 4, "no": 4, "cat": 3, "dog": 3, "bird": 3, "tree": 3, "house": 3}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("encoder")
    save_random_model("whisper", folder)
    return Recipe.model_validate(
        {"encoder": {"name": str(folder)}, "augment": {"copies": 1}, "head": {"silence_clips": 5}}
    )


def run(folder: Path, recipe: Recipe, num_trials: int) -> Found:
    return search(TrainingData(folder / "data", ("yes", "no")), folder / "study", recipe, num_trials)


def test_the_first_trial_is_the_recipe_itself_and_later_runs_go_on(tmp_path: Path, recipe: Recipe) -> None:
    make_folder(tmp_path / "data", LABELS)
    first = run(tmp_path, recipe, 1)
    assert first.recipe == recipe
    assert first.score == first.default_score
    later = run(tmp_path, recipe, 3)
    assert later.num_trials == 4
    assert later.default_score == first.default_score
    assert later.score >= first.score
    assert later.recipe.augment == recipe.augment


def test_other_data_begin_another_study_in_the_same_file(tmp_path: Path, recipe: Recipe) -> None:
    make_folder(tmp_path / "data", LABELS)
    run(tmp_path, recipe, 1)
    make_folder(tmp_path / "data", LABELS | {"yes": 5})
    assert run(tmp_path, recipe, 1).num_trials == 1


def test_clips_declared_test_are_not_even_opened(tmp_path: Path, recipe: Recipe) -> None:
    make_folder(tmp_path / "data", LABELS)
    (tmp_path / "data" / "yes" / "broken.wav").write_bytes(b"not audio")
    paths = sorted((tmp_path / "data").rglob("*.wav"))
    lines = [
        {"path": str(path), "label": path.parent.name, "split": "test" if path.stem == "broken" else "train"}
        for path in paths
    ]
    (tmp_path / "data" / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(tmp_path, recipe, 1).num_trials == 1


def test_no_trials_and_a_file_that_is_no_study_are_refused(tmp_path: Path, recipe: Recipe) -> None:
    make_folder(tmp_path / "data", LABELS)
    with pytest.raises(ConfigError, match="--trials 0"):
        run(tmp_path, recipe, 0)
    (tmp_path / "study").write_text("something else\n")
    with pytest.raises(ConfigError, match=r"study .*cannot be read"):
        run(tmp_path, recipe, 1)
