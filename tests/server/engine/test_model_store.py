"""Models by name and digest, and the real ones: loaded from a checkpoint, scored alone and in company."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from speechtune.errors import CheckpointNotFoundError, ModelUnavailableError
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune_server.engine.backends import load_served_model, loader_for
from speechtune_server.engine.dispatch import Dispatch
from speechtune_server.engine.model_store import ModelStore, ServedModel
from speechtune_server.engine.runner import Runner
from speechtune_server.process.config import Backend
from tests.support.clock import ScriptedClock
from tests.support.encoders import FAMILIES, noise_windows, random_checkpoint
from tests.support.serving import asynchronous
from tests.support.streaming import LoudnessActivity, PitchScorer


@pytest.fixture
def store():
    models = [ServedModel("home", "a1", PitchScorer()), ServedModel("garden", "b2", PitchScorer())]
    return ModelStore(models, "garden")


@pytest.mark.parametrize(
    ("reference", "name"),
    [("", "garden"), ("home", "home"), ("home@a1", "home"), ("@b2", "garden")],
)
def test_a_model_is_found_by_name_by_digest_or_as_the_default(store, reference, name):
    assert store.find(reference).name == name


@pytest.mark.parametrize("reference", ["cellar", "home@b2", "home@", "@a1", "home@a1@a1", "HOME"])
def test_a_model_that_is_not_there_is_refused_with_those_that_are(store, reference):
    with pytest.raises(ModelUnavailableError, match=r"home|garden"):
        store.find(reference)


def test_a_checkpoint_is_loaded_with_its_digest_and_its_own_settings(tmp_path: Path):
    saved = save_checkpoint(random_checkpoint(), tmp_path / "model")
    served = load_served_model("home", tmp_path / "model")
    assert (served.name, served.digest) == ("home", saved.digest)
    assert served.scorer.labels == saved.classifier.labels
    assert served.scorer.thresholds == dict(saved.thresholds)
    assert (served.detector, served.endpointing) == (saved.recipe.detector, saved.recipe.endpointing)


def test_torch_in_halves_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("speechtune.models.scorers.torch_scorer.has_bfloat16", lambda _: True)
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    whole, halved = (
        loader_for(backend, None, 1)("home", tmp_path / "model") for backend in (Backend.TORCH, Backend.TORCH_BF16)
    )
    assert (whole.precision, halved.precision) == ("fp32", "bf16")
    windows = noise_windows(3).numpy()
    assert 0.0 < np.abs(whole.scorer.score(windows) - halved.scorer.score(windows)).max() < 0.1


def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path):
    with pytest.raises(CheckpointNotFoundError, match="nothing"):
        load_served_model("home", tmp_path / "nothing")


@pytest.mark.parametrize("family", FAMILIES)
@asynchronous
async def test_a_window_has_the_same_posteriors_alone_and_in_a_batch_with_other_streams(family, tmp_path):
    save_checkpoint(random_checkpoint(family), tmp_path / "model")
    served = load_served_model("home", tmp_path / "model")
    windows = noise_windows(6).numpy()
    runner = Runner()
    dispatch = Dispatch(runner, runner, LoudnessActivity(), max_batch=6, max_wait_seconds=1.0, clock=ScriptedClock())
    together = await asyncio.gather(
        *(dispatch.score(served, windows[start:end]) for start, end in ((0, 1), (1, 3), (3, 6)))
    )
    alone = [served.scorer.score(windows[index : index + 1]) for index in range(6)]
    # Float32 sums in another order: the last bits may differ, nothing more.
    np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), atol=1e-5)
    await dispatch.close()
    await runner.close(1.0)
