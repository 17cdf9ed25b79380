"""Searching settings: it begins with what there is, goes on where it stopped, and reads no test clip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="optuna is not installed (pip install 'speechtune[search]')")


from speechtune.errors import ConfigError
from speechtune.recipe import Recipe
from speechtune.training import search as searching
from speechtune.training.material.training_set import TrainingData
from speechtune.training.search import Found, search
from tests.support.clips import make_folder, word_like, write_audio
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


@pytest.mark.parametrize(
    "other", [{"words": ("yes", "cat")}, {"words": ("no", "yes")}, {"augment": {"copies": 2}}, {"noise": True}]
)
def test_other_words_settings_or_noise_begin_another_study(
    tmp_path: Path, recipe: Recipe, other: dict[str, Any]
) -> None:
    make_folder(tmp_path / "data", LABELS)
    write_audio(tmp_path / "noise" / "hum.wav", word_like(9, 40_000))
    run(tmp_path, recipe, 1)
    noise = tmp_path / "noise" if "noise" in other else None
    settings = Recipe.model_validate(
        recipe.model_dump() | ({"augment": other["augment"]} if "augment" in other else {})
    )
    data = TrainingData(tmp_path / "data", other.get("words", ("yes", "no")), noise=noise)
    assert search(data, tmp_path / "study", settings, 1).num_trials == 1
    assert run(tmp_path, recipe, 1).num_trials == 2


def tried_in(folder: Path) -> list[tuple[Any, ...]]:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(folder / "study")))
    (summary,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=summary.study_name, storage=storage).trials
    return [tuple(trial.params.values()) for trial in trials]


def test_a_later_run_tries_other_settings_than_the_one_before(tmp_path: Path, recipe: Recipe) -> None:
    make_folder(tmp_path / "data", LABELS)
    for _ in range(3):
        run(tmp_path, recipe, 2)
    tried = tried_in(tmp_path)
    assert len(set(tried)) == len(tried) == 6


def test_after_a_first_trial_that_was_broken_off_the_recipe_is_tried_all_the_same(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    make_folder(tmp_path / "data", LABELS)
    with monkeypatch.context() as patch:
        patch.setattr(searching, "cross_fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, recipe, 1)
    found = run(tmp_path, recipe, 1)
    assert found.num_trials == 1
    assert found.recipe == recipe


@pytest.mark.parametrize(("key", "value"), [("l2", 0.0), ("label_smoothing", 0.3), ("decoder_weight", 10.0)])
def test_a_start_outside_what_is_searched_is_refused_by_name(
    tmp_path: Path, recipe: Recipe, key: str, value: float
) -> None:
    settings = recipe.model_copy(update={"head": recipe.head.model_copy(update={key: value})})
    with pytest.raises(ConfigError, match=rf"head\.{key}={value:g}: .* is searched; start within it"):
        run(tmp_path, settings, 1)
    assert not (tmp_path / "study").exists()


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


@pytest.mark.parametrize(("running_speech", "looks"), [(0, [2, 3]), (6, [3])])
def test_running_speech_is_judged_by_the_folds_that_it_was_cut_for(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, running_speech: int, looks: list[int]
) -> None:
    make_folder(tmp_path / "data", LABELS)
    wanted = {
        "head": {"silence_clips": 5, "running_speech": running_speech, "background_speech": 0},
        "calibration": {"folds": 3},
    }
    folds: list[int] = []
    really = searching.cross_fit

    def spy(*arguments: Any) -> Any:
        folds.append(arguments[2].num_folds)
        return really(*arguments)

    monkeypatch.setattr(searching, "cross_fit", spy)
    run(tmp_path, Recipe.model_validate({**recipe.model_dump(exclude={"head", "calibration"}), **wanted}), 1)
    assert folds == looks
