"""A damaged or foreign checkpoint is refused by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError, CheckpointNotFoundError
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.models.checkpoints.files import read_summary
from tests.support.encoders import random_checkpoint, save_random_model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    return tmp_path / "model"


def _describe(folder: Path, **changes: object) -> None:
    """Change checkpoint.json, and let it speak true of the weights' file as it is now."""
    path = folder / "checkpoint.json"
    tree = json.loads(path.read_text())
    tree["sha256"]["weights.safetensors"] = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    path.write_text(json.dumps(tree | changes))


def test_no_folder_is_not_found_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="does not exist; make one with: speechtune finetune"):
        load_checkpoint(tmp_path / "absent")


def test_a_file_is_not_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(CheckpointNotFoundError, match="is a file, not a folder"):
        load_checkpoint(tmp_path / "model")


def test_a_folder_without_a_description_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"has no checkpoint\.json"):
        load_checkpoint(tmp_path)


def test_a_hugging_face_model_is_foreign_and_the_way_to_use_it_is_named(tmp_path: Path) -> None:
    save_random_model("wav2vec2", tmp_path)
    with pytest.raises(CheckpointIncompatibleError, match=r"another program's model.*--encoder"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "\x00\xff", "[1, 2", '{"format": "speechtune-checkpoint"'])
def test_a_description_that_is_not_json_is_corrupt(content: str, saved: Path) -> None:
    (saved / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointCorruptError, match=r"checkpoint\.json: not JSON"):
        read_summary(saved)


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "other"}', "3"])
def test_a_description_of_another_program_is_incompatible(content: str, saved: Path) -> None:
    (saved / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointIncompatibleError, match="another program's file"):
        read_summary(saved)


def test_a_newer_format_asks_for_an_upgrade(saved: Path) -> None:
    _describe(saved, format_version=2, something_new=True)
    with pytest.raises(CheckpointIncompatibleError, match="format version 2; this speechtune reads up to 1, upgrade"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": 1},
        {"window_samples": "long"},
        {"window_samples": 0},
        {"thresholds": {"yes": 0.5}},
        {"thresholds": {"yes": 0.5, "no": 1.5}},
        {"keywords": []},
        {"keywords": ["yes", "yes"]},
        {"sha256": {}},
        {"format_version": 0},
        {"layers": [9]},
        {"num_segments": 90},
        {"window_samples": 100},
    ],
)
def test_a_description_with_a_senseless_value_is_corrupt(changes: dict[str, object], saved: Path) -> None:
    _describe(saved, **changes)
    with pytest.raises(CheckpointCorruptError, match=str(saved)):
        load_checkpoint(saved)


@pytest.mark.parametrize("change", [{"family": "gpt2"}, {"family": "whisper", "future": 1}])
def test_an_encoder_of_a_later_version_is_incompatible(change: dict[str, object], saved: Path) -> None:
    _describe(saved, encoder=load_checkpoint(saved).classifier.encoder.config_dict() | change)
    with pytest.raises(CheckpointIncompatibleError, match=r"gpt2|future"):
        load_checkpoint(saved)


@pytest.mark.parametrize("name", ["weights.safetensors", "recipe.toml"])
@pytest.mark.parametrize("damage", ["cut", "flip", "remove", "folder"])
def test_a_file_that_was_changed_or_lost_is_corrupt_by_name(name: str, damage: str, saved: Path) -> None:
    path = saved / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "remove":
        content[len(content) // 2] ^= 1
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    with pytest.raises(CheckpointCorruptError, match=name.replace(".", r"\.")):
        load_checkpoint(saved)


def test_weights_that_are_not_safetensors_are_corrupt(saved: Path) -> None:
    (saved / "weights.safetensors").write_bytes(b"not tensors at all")
    _describe(saved)
    with pytest.raises(CheckpointCorruptError, match="cannot be read"):
        load_checkpoint(saved)


def test_missing_extra_and_misshapen_tensors_are_corrupt_by_name(saved: Path) -> None:
    path = saved / "weights.safetensors"
    tensors = load_file(path)
    weight = tensors["head.linears.0.weight"]
    without = {name: value for name, value in tensors.items() if name != "head.linears.0.weight"}
    for changed, message in (
        (without, r"lacks 1 tensors, head\.linears\.0\.weight"),
        (tensors | {"head.other": torch.zeros(1)}, r"1 tensors too many, head\.other"),
        (tensors | {"head.linears.0.weight": weight[1:].clone()}, r"head\.linears\.0\.weight is .* of shape"),
        (tensors | {"head.linears.0.weight": weight.double()}, r"head\.linears\.0\.weight is torch\.float64"),
    ):
        save_file(changed, path)
        _describe(saved)
        with pytest.raises(CheckpointCorruptError, match=message):
            load_checkpoint(saved)


def test_a_recipe_of_a_later_version_is_incompatible(saved: Path) -> None:
    (saved / "recipe.toml").write_text("[future]\nkey = 1\n")
    tree = json.loads((saved / "checkpoint.json").read_text())
    tree["sha256"]["recipe.toml"] = hashlib.sha256((saved / "recipe.toml").read_bytes()).hexdigest()
    (saved / "checkpoint.json").write_text(json.dumps(tree))
    with pytest.raises(CheckpointIncompatibleError, match="unknown key 'future'"):
        load_checkpoint(saved)
