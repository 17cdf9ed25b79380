"""A checkpoint is written whole or not at all, and never over anything else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from speechtune.errors import ConfigError, TrainingDivergedError
from speechtune.models.checkpoints import writing as checkpoint_writing
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.models.checkpoints.writing import check_destination
from tests.support.encoders import random_checkpoint


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    return tmp_path / "model"


def test_files_are_readable_like_any_other(saved: Path) -> None:
    plain = saved.parent / "plain"
    plain.write_text("")
    assert {path.stat().st_mode for path in saved.iterdir()} == {plain.stat().st_mode}


def test_nothing_but_the_checkpoint_is_left_beside_it(saved: Path) -> None:
    save_checkpoint(random_checkpoint(), saved)
    assert os.listdir(saved.parent) == ["model"]
    assert sorted(os.listdir(saved)) == ["README.md", "checkpoint.json", "recipe.toml", "weights.safetensors"]


def test_folders_above_it_are_made(tmp_path: Path) -> None:
    save_checkpoint(random_checkpoint(), tmp_path / "a" / "b" / "model")
    assert load_checkpoint(tmp_path / "a" / "b" / "model").digest


def test_an_empty_folder_may_become_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    assert load_checkpoint(tmp_path / "model").digest


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    checkpoint = random_checkpoint()
    with torch.no_grad():
        checkpoint.classifier.head.linears[0].weight[0, 0] = float("nan")
    with pytest.raises(TrainingDivergedError, match=r"head\.linears\.0\.weight are not finite"):
        save_checkpoint(checkpoint, tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_thresholds_that_do_not_fit_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="thresholds"):
        save_checkpoint(random_checkpoint(thresholds={"yes": 0.5}), tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_a_failure_while_writing_keeps_the_old_checkpoint(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = load_checkpoint(saved).digest

    def _full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_writing, "_flush_to_disk", _full)
    with pytest.raises(ConfigError, match=r"cannot be written .*No space left"):
        save_checkpoint(random_checkpoint("hubert"), saved)
    assert load_checkpoint(saved).digest == digest
    assert os.listdir(saved.parent) == ["model"]


def test_a_failure_at_the_last_move_brings_the_old_checkpoint_back(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = load_checkpoint(saved).digest
    rename = Path.rename

    def _stubborn(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(checkpoint_writing, "exchanged", lambda *_: False)
    monkeypatch.setattr(Path, "rename", _stubborn)
    with pytest.raises(ConfigError, match="Input/output error"):
        save_checkpoint(random_checkpoint("hubert"), saved)
    assert load_checkpoint(saved).digest == digest
    assert os.listdir(saved.parent) == ["model"]


def _folder_of_someone(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")


def _checkpoint_with_notes(folder: Path) -> None:
    save_checkpoint(random_checkpoint(), folder)
    (folder / "notes.txt").write_text("mine")


def _file(folder: Path) -> None:
    folder.write_text("a file")


@pytest.mark.parametrize("make", [_folder_of_someone, _checkpoint_with_notes, _file])
def test_what_is_not_a_checkpoint_is_never_replaced(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "model")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="choose another --out"):
        check_destination(tmp_path / "model")
    with pytest.raises(ConfigError, match="choose another --out"):
        save_checkpoint(random_checkpoint(), tmp_path / "model")
    assert sorted(tmp_path.rglob("*")) == before
