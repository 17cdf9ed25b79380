"""Going on from a checkpoint: what it decides is not asked for otherwise, and the saved recipe says what was done."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechtune.cli.app import run
from speechtune.models.checkpoints.checkpoint import load_checkpoint
from speechtune.recipe import Recipe
from speechtune.training.finetune import TrainingData, finetune
from tests.support.clips import make_folder
from tests.support.encoders import save_random_model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parent")
    save_random_model("whisper", folder / "encoder")
    sections = {"augment": {"copies": 0}, "head": {"silence_clips": 5}, "clip": {"window_ms": 1200}}
    encoder = {"name": str(folder / "encoder"), "layers": [1, -1], "num_segments": 2}
    make_folder(folder / "data", {"yes": 3, "no": 3, "cat": 2, "dog": 2})
    recipe = Recipe.model_validate(sections | {"encoder": encoder})
    finetune(TrainingData(folder / "data", ("yes", "no")), folder / "model", recipe)
    return folder


def command(place: Path, out: Path, *options: str) -> list[str]:
    arguments = ["finetune", str(place / "data"), "--from", str(place / "model"), "--out", str(out)]
    return [*arguments, "--set", "augment.copies=0", "--set", "head.silence_clips=5", *options]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("encoder.name=whisper-base", "encoder.name=whisper-base"),
        ("encoder.layers=[2]", "encoder.layers=(2,)"),
        ("encoder.num_segments=3", "encoder.num_segments=3"),
        ("encoder.decoder=true", "encoder.decoder=True"),
        ("clip.window_ms=1000", "clip.window_ms=1000"),
    ],
)
def test_what_the_parent_decides_is_refused_by_name(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    assert run(command(place, tmp_path / "model", "--set", setting)) == 2
    told = capsys.readouterr().err
    assert f"{message}: encoder and window are those of the checkpoint" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_the_saved_recipe_says_what_was_taken_over(place: Path, tmp_path: Path) -> None:
    same = ["--encoder", str(place / "encoder"), "--set", "encoder.layers=[1,-1]", "--set", "clip.window_ms=1200"]
    for name, options in (("bare", []), ("same", same)):
        assert run(command(place, tmp_path / name, *options, "--set", "clip.second_look=false")) == 0
        saved = load_checkpoint(tmp_path / name)
        assert saved.recipe.encoder.name == str(place / "encoder")
        assert saved.recipe.encoder.layers == saved.classifier.layers == (1, 3)
        assert saved.recipe.encoder.num_segments == 2
        assert saved.recipe.clip.window_ms == 1200
        assert not saved.recipe.clip.second_look
