"""Checkpoints made to harm are refused by name, from their description, before anything is built of them."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch
from safetensors.torch import load_file, save_file

from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError, ModelError
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune_client.v1 import model_admin_pb2 as admin_pb
from speechtune_client.v1 import model_admin_pb2_grpc as admin_grpc
from speechtune_server.engine.backends import load_served_model
from tests.support.encoders import random_checkpoint
from tests.support.serving import asynchronous, refusal, running_server


@pytest.fixture(params=["whisper", "hubert"])
def saved(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    save_checkpoint(random_checkpoint(request.param), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def no_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150_000_000


def describe(folder: Path, encoder: dict[str, Any] | None = None, **changes: Any) -> None:
    path = folder / "checkpoint.json"
    tree = json.loads(path.read_text())
    tree["sha256"]["weights.safetensors"] = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    tree["encoder"] |= encoder or {}
    path.write_text(json.dumps(tree | changes))


MANY = [f"word{number}" for number in range(200_000)]
OF_ALL = {
    "200,000 keywords": ({}, {"keywords": MANY, "thresholds": dict.fromkeys(MANY, 0.5)}, "keywords"),
    "200,000 negatives": ({}, {"negatives": MANY}, "negatives"),
    "4,000 keywords that no weights are for": (
        {},
        {"keywords": MANY[:4_000], "thresholds": dict.fromkeys(MANY[:4_000], 0.5)},
        "names 400",
    ),
    "a window of years": ({}, {"window_samples": 1 << 60}, "window_samples"),
    "segments without end": ({}, {"num_segments": 1 << 40}, "num_segments"),
    "layers pooled without end": ({}, {"layers": [1] * 100_000}, "layers"),
    "a layer that is not there": ({}, {"layers": [200]}, "layer"),
    "facts that are deep": ({}, {"training": json.loads('{"a":' * 200 + "1" + "}" * 200)}, "nested more than"),
}
OF_FAMILY = {
    "whisper": [
        ({"activation_function": "__class__"}, "activation_function"),
        ({"activation_function": "xielu"}, "activation_function"),
        ({"encoder_layers": 1_000_000}, "encoder_layers"),
        ({"d_model": 1 << 30}, "d_model"),
        ({"encoder_attention_heads": 7}, "cannot be built"),
        ({"encoder_ffn_dim": 1 << 40}, "encoder_ffn_dim"),
        ({"max_source_positions": 1 << 40}, "max_source_positions"),
        ({"num_mel_bins": 1 << 31}, "num_mel_bins"),
        ({"dropout": 2.0}, "dropout"),
        (
            {"decoder": {"layers": 10**6, "attention_heads": 1, "ffn_dim": 8, "prompt_length": 2}},
            r"decoder\.layers",
        ),
        (
            {"decoder": {"layers": 1, "attention_heads": 1, "ffn_dim": 8, "prompt_length": 1 << 30}},
            r"decoder\.prompt_length",
        ),
    ],
    "hubert": [
        ({"hidden_act": "__class__"}, "hidden_act"),
        ({"feat_extract_activation": "__init__"}, "feat_extract_activation"),
        ({"num_hidden_layers": 1_000_000}, "num_hidden_layers"),
        ({"hidden_size": 1 << 30}, "hidden_size"),
        ({"conv_dim": [1 << 30] * 7}, "conv_dim"),
        ({"conv_dim": [16]}, "checkpoint"),
        ({"conv_stride": [0] * 7}, "conv_stride"),
        ({"num_conv_pos_embedding_groups": 7}, "cannot be built"),
        ({"num_attention_heads": 5}, "cannot be built"),
    ],
}


@pytest.mark.parametrize("case", OF_ALL)
def test_a_description_that_asks_for_too_much_is_refused_by_name(saved: Path, case: str, no_memory: None) -> None:
    encoder, changes, named = OF_ALL[case]
    describe(saved, encoder, **changes)
    with pytest.raises((CheckpointCorruptError, CheckpointIncompatibleError), match=named) as refused:
        load_checkpoint(saved)
    assert str(saved) in str(refused.value)
    assert len(str(refused.value)) < 1_000


def test_an_encoder_that_asks_for_too_much_is_refused_by_name(saved: Path, no_memory: None) -> None:
    original = (saved / "checkpoint.json").read_text()
    family = json.loads(original)["encoder"]["family"]
    for changes, named in OF_FAMILY[family]:
        (saved / "checkpoint.json").write_text(original)
        describe(saved, changes)
        with pytest.raises(ModelError, match=named) as refused:
            load_checkpoint(saved)
        assert str(saved) in str(refused.value)


@pytest.mark.parametrize("depth", [40, 100_000])
def test_json_that_is_too_deep_is_refused(saved: Path, depth: int) -> None:
    deep = '{"format": "speechtune-checkpoint", "training": ' + "[" * depth + "]" * depth + "}"
    (saved / "checkpoint.json").write_text(deep)
    with pytest.raises(CheckpointCorruptError, match="nested more than 32 levels deep"):
        load_checkpoint(saved)


def test_a_recipe_that_is_too_deep_or_a_description_without_end_is_refused(saved: Path) -> None:
    text = "a = " + "[" * 5_000 + "]" * 5_000
    (saved / "recipe.toml").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    tree = json.loads((saved / "checkpoint.json").read_text())
    tree["sha256"]["recipe.toml"] = digest
    (saved / "checkpoint.json").write_text(json.dumps(tree))
    with pytest.raises(ModelError, match=r"recipe\.toml"):
        load_checkpoint(saved)
    with (saved / "checkpoint.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointCorruptError, match="larger than 16777216 bytes"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("head.linears.0.weight", float("nan"), "head.linears.0.weight are not finite"),
        ("head.mean", float("inf"), "head.mean are not finite"),
        ("head.scale", 0.0, "head.scale is not positive"),
        ("head.temperature", -1.0, "head.temperature is not positive"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(saved: Path, name: str, value: float, said: str) -> None:
    tensors = load_file(saved / "weights.safetensors")
    tensors[name] = torch.full_like(tensors[name], value)
    save_file(tensors, saved / "weights.safetensors")
    describe(saved)
    with pytest.raises(CheckpointCorruptError, match=said):
        load_checkpoint(saved)


@asynchronous
async def test_the_server_refuses_them_and_serves_on(tmp_path: Path) -> None:
    harms = [({"activation_function": "__class__"}, {}), ({"d_model": 1 << 30}, {}), ({"encoder_layers": 10**6}, {})]
    harms.append(({}, {"keywords": MANY, "thresholds": dict.fromkeys(MANY, 0.5)}))
    harms.append(({}, {"training": json.loads('{"a":' * 200 + "1" + "}" * 200)}))
    save_checkpoint(random_checkpoint(), tmp_path / "home")
    for number, (encoder, changes) in enumerate(harms):
        save_checkpoint(random_checkpoint(), tmp_path / f"harm{number}")
        describe(tmp_path / f"harm{number}", encoder, **changes)
    settings = {"models": {"home": tmp_path / "home"}, "model_folder": tmp_path, "open_admin": True}
    async with (
        running_server(load=load_served_model, **settings) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        admin = admin_grpc.ModelAdminStub(channel)
        for number in range(len(harms)):
            refused = await refusal(admin.LoadModel(admin_pb.LoadModelRequest(folder=f"harm{number}", name="home")))
            assert refused.code is grpc.StatusCode.FAILED_PRECONDITION, refused
            assert f"harm{number}" in refused.message
        await admin.LoadModel(admin_pb.LoadModelRequest(folder="home", name="other"))
