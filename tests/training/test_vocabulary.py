"""Words are added to a checkpoint and dropped from it, and the others do not suffer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speechtune.errors import ConfigError, UnknownLabelError
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.recipe import Recipe
from speechtune.training.finetune import TrainingData, finetune
from speechtune.training.vocabulary import add_keywords, remove_keywords
from tests.support.clips import make_folder
from tests.support.encoders import noise_windows, save_random_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vocabulary")


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    save_random_model("whisper", folder / "encoder")
    sections = {"augment": {"copies": 1}, "head": {"silence_clips": 5, "background_speech": 10}}
    return Recipe.model_validate({"encoder": {"name": str(folder / "encoder")}} | sections)


@pytest.fixture(scope="module")
def checkpoint(folder: Path, recipe: Recipe) -> Path:
    make_folder(folder / "data", {"yes": 3, "no": 3, "up": 3, "cat": 2})
    make_folder(folder / "new", {"left": 3, "bird": 2})
    finetune(TrainingData(folder / "data", ("yes", "no", "up")), folder / "model", recipe)
    return folder / "model"


def test_a_dropped_word_counts_as_unknown_and_the_others_answer_as_before(checkpoint: Path, tmp_path: Path) -> None:
    remove_keywords(checkpoint, ("no",), tmp_path / "less")
    before, after = load_checkpoint(checkpoint), load_checkpoint(tmp_path / "less")
    assert after.classifier.labels.keywords == ("yes", "up")
    assert after.classifier.labels.negatives == ("_parts_", "_unknown_", "cat", "no")
    assert after.thresholds == {word: before.thresholds[word] for word in ("yes", "up")}
    windows = noise_windows(4)
    with torch.inference_mode():
        old, new = before.classifier.posteriors(windows), after.classifier.posteriors(windows)
    torch.testing.assert_close(new[:, :2], old[:, [0, 2]], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(new[:, 2], old[:, 1] + old[:, 3], rtol=1e-5, atol=1e-6)


def test_what_was_set_for_a_word_goes_with_it_and_for_what_is_no_word_is_refused(
    folder: Path, recipe: Recipe, checkpoint: Path, tmp_path: Path
) -> None:
    detector = recipe.detector.model_copy(update={"refractory_ms_of": {"no": 0, "up": 70}})
    counting = recipe.model_copy(update={"detector": detector})
    save_checkpoint(replace(load_checkpoint(checkpoint), recipe=counting), tmp_path / "counting")
    remove_keywords(tmp_path / "counting", ("no",), tmp_path / "less")
    assert load_checkpoint(tmp_path / "less").recipe.detector.refractory_ms_of == {"up": 70}
    with pytest.raises(ConfigError, match=r"refractory_ms_of: up: no keyword; the keywords are yes, no"):
        finetune(TrainingData(folder / "data", ("yes", "no")), tmp_path / "never", counting)


def test_a_checkpoint_is_replaced_by_its_own_remainder(checkpoint: Path, tmp_path: Path) -> None:
    remove_keywords(checkpoint, ("no",), tmp_path / "less")
    remove_keywords(tmp_path / "less", ("up",), tmp_path / "less")
    assert load_checkpoint(tmp_path / "less").classifier.labels.keywords == ("yes",)


def test_a_word_that_is_not_there_and_the_last_one_cannot_be_dropped(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownLabelError, match="no keyword cat; its keywords are yes, no, up"):
        remove_keywords(checkpoint, ("cat",), tmp_path / "less")
    with pytest.raises(ConfigError, match="no keyword would be left"):
        remove_keywords(checkpoint, ("yes", "no", "up"), tmp_path / "less")


def test_added_words_follow_the_old_ones_on_the_same_encoder(
    checkpoint: Path, folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    data = TrainingData(folder / "new", more=(folder / "data",))
    add_keywords(checkpoint, data, ("left",), tmp_path / "more", recipe)
    before, after = load_checkpoint(checkpoint), load_checkpoint(tmp_path / "more")
    assert after.classifier.labels.keywords == ("yes", "no", "up", "left")
    assert after.classifier.labels.negatives == ("_unknown_", "_parts_", "bird", "cat")
    assert after.training["started_from"] == before.digest
    old, new = before.classifier.encoder.state_dict(), after.classifier.encoder.state_dict()
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_adding_needs_clips_of_old_words_and_new_names(
    checkpoint: Path, folder: Path, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(UnknownLabelError, match="no clips of yes, no, up"):
        add_keywords(checkpoint, TrainingData(folder / "new"), ("left",), tmp_path / "more", recipe)
    with pytest.raises(ConfigError, match="yes: keywords already"):
        add_keywords(checkpoint, TrainingData(folder / "data"), ("yes",), tmp_path / "more", recipe)
