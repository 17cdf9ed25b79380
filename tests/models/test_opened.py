"""One door to a checkpoint's folder and to an exported file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechtune.errors import CheckpointIncompatibleError, CheckpointNotFoundError, ConfigError
from speechtune.models.backends import Backend
from speechtune.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from speechtune.models.export import export_onnx
from speechtune.models.opened import identify_model, open_model
from speechtune.models.scorers.second_look import SecondLookScorer
from tests.support.encoders import noise_windows, random_checkpoint
from tests.support.processes import run_python


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint's folder and its export."""
    folder = tmp_path_factory.mktemp("models")
    saved = save_checkpoint(random_checkpoint(), folder / "ckpt")
    export_onnx(saved, folder / "model.onnx")
    return folder / "ckpt", folder / "model.onnx"


def test_a_folder_and_its_export_are_the_same_model(places: tuple[Path, Path]) -> None:
    folder, exported = places
    one, other = open_model(folder), open_model(exported)
    assert one.digest == other.digest == load_checkpoint(folder).digest
    assert one.labels == other.labels
    assert one.thresholds == other.thresholds == {"yes": 0.5, "no": 0.25}
    assert one.settings == other.settings
    assert one.settings.detector.hop_ms == 80
    assert one.encoder == other.encoder == "random-whisper"
    assert isinstance(one.scorer, SecondLookScorer)
    assert isinstance(other.scorer, SecondLookScorer)
    windows = noise_windows(3).numpy()
    assert np.allclose(one.scorer.score(windows), other.scorer.score(windows), atol=1e-4)
    assert identify_model(folder) == identify_model(exported)
    assert identify_model(folder).negatives == ("cat", "dog")


def test_a_folder_runs_by_the_backend_that_is_asked_for(places: tuple[Path, Path]) -> None:
    model = open_model(places[0], Backend.ONNX)
    assert model.facts["backend"] == "onnx"
    assert model.facts["checkpoint"] == str(places[0])
    assert (model.precision, model.is_parallel) == ("fp32", True)
    windows = noise_windows(2).numpy()
    assert np.allclose(model.scorer.score(windows), open_model(places[0]).scorer.score(windows), atol=1e-4)


def test_torch_in_halves_is_close_to_whole_torch_where_there_are_instructions_for_it(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = noise_windows(2).numpy()
    monkeypatch.setattr("speechtune.models.scorers.torch_scorer.has_bfloat16", lambda _: True)
    whole, halved = (open_model(places[0], backend) for backend in (Backend.TORCH, Backend.TORCH_BF16))
    assert (whole.precision, halved.precision, halved.is_parallel) == ("fp32", "bf16", False)
    assert 0.0 < np.abs(whole.scorer.score(windows) - halved.scorer.score(windows)).max() < 0.1
    monkeypatch.setattr("speechtune.models.scorers.torch_scorer.has_bfloat16", lambda _: False)
    with pytest.raises(ConfigError, match="no instructions"):
        open_model(places[0], Backend.TORCH_BF16)


def test_what_cannot_be_opened_is_refused_with_what_to_do(places: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="runs as it was exported"):
        open_model(places[1], Backend.ONNX)
    with pytest.raises(CheckpointNotFoundError, match="speechtune export CKPT"):
        open_model(tmp_path / "none.onnx")
    with pytest.raises(CheckpointNotFoundError):
        open_model(tmp_path / "none")
    with pytest.raises(CheckpointIncompatibleError, match="folder that it was exported from"):
        load_checkpoint(places[1])


def test_an_exported_file_is_opened_without_torch(places: tuple[Path, Path]) -> None:
    program = f"""
    import sys
    from pathlib import Path
    from speechtune.models.opened import open_model
    open_model(Path({str(places[1])!r}))
    assert "torch" not in sys.modules
    """
    run_python(program)
