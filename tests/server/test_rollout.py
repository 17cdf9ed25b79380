"""A checkpoint takes the place of the model that a running server serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechtune.errors import ConfigError, ModelUnavailableError
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.models.checkpoints.files import read_summary
from speechtune.remote.rollout import ServedFolder, roll_out
from speechtune.remote.server_access import ServerAccess
from speechtune_client import CommandClient
from speechtune_server.engine.model_store import ServedModel
from tests.support.encoders import random_checkpoint
from tests.support.serving import server_in_thread
from tests.support.streaming import PitchScorer


def load(name: str, place: Path) -> ServedModel:
    digest = read_summary(place).digest if place.is_dir() else "d1" * 32
    return ServedModel(name, digest, PitchScorer())


def test_a_checkpoint_is_copied_and_served_under_the_name_of_the_default(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(random_checkpoint(), tmp_path / "model")
    (tmp_path / "served").mkdir()
    with server_in_thread(load=load, model_folder=tmp_path / "served", open_admin=True) as server:
        there = ServedFolder(ServerAccess(server.address), tmp_path / "served")
        for _ in range(2):
            assert roll_out(tmp_path / "model", there) == checkpoint.digest
        with CommandClient(server.address) as client:
            (model,) = client.list_models()
        assert (model.name, model.digest, model.is_default) == ("home", checkpoint.digest, True)
        assert [path.name for path in (tmp_path / "served").iterdir()] == [f"home-{checkpoint.digest[:12]}"]
        with pytest.raises(ConfigError, match="name the model folder of the server"):
            roll_out(tmp_path / "model", ServedFolder(there.access, tmp_path / "other"))


def test_a_server_that_lets_nobody_administer_says_so(tmp_path: Path) -> None:
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    (tmp_path / "served").mkdir()
    with (
        server_in_thread(load=load, model_folder=tmp_path / "served") as server,
        pytest.raises(ModelUnavailableError, match=r"administer|open_admin|key"),
    ):
        roll_out(tmp_path / "model", ServedFolder(ServerAccess(server.address), tmp_path / "served"))
    assert list((tmp_path / "served").iterdir()) == []
