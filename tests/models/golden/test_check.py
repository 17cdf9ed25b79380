"""An exported file and a port of it beside the golden vectors: what is wrong is found where it begins."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest

from speechtune.cli.app import run
from speechtune.errors import (
    CheckpointCorruptError,
    CheckpointIncompatibleError,
    CheckpointNotFoundError,
    ConfigError,
)
from speechtune.models.export import export_onnx
from speechtune.models.golden.check import check_export
from speechtune.models.golden.comparison import first_problem
from speechtune.models.golden.vectors import Golden, golden_path, read_golden, write_golden
from speechtune.models.golden.windows import golden_windows
from speechtune.models.scorers.torch_scorer import TorchScorer
from tests.support.encoders import FAMILIES, random_checkpoint, random_classifier
from tests.support.processes import run_python

DIGEST = "ab" * 32
LAYERS = {
    "whisper": ["log_mel", "frames_3", "embedding", "logits", "posteriors"],
    "waveform": ["normalised", "frames_3", "embedding", "logits", "posteriors"],
}


@pytest.fixture(autouse=True)
def _quantiser_hints_are_not_ours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)


def exported(folder: Path, family: str = "whisper", int8: bool = False) -> Path:
    checkpoint = dataclasses.replace(random_checkpoint(family), digest=DIGEST)
    return export_onnx(checkpoint, folder / "model.onnx", int8=int8, golden=True).path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def golden(model: Path) -> Golden:
    return read_golden(golden_path(model))


def saved(arrays: dict[str, np.ndarray], folder: Path) -> Path:
    np.savez(folder / "theirs.npz", **arrays)
    return folder / "theirs.npz"


def test_the_windows_are_the_same_everywhere_and_those_of_a_wav_file() -> None:
    windows = golden_windows(16_000)
    assert windows.shape == (4, 16_000)
    assert np.array_equal(windows * 32_768, np.round(windows * 32_768))
    assert np.abs(windows[:3]).max(axis=1).min() > 0.005
    assert np.abs(windows).max() < 1.0
    assert not windows[3].any()
    assert golden_windows(640).shape == (4, 640)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_vectors_of_every_layer_and_its_file_gives_them(family: str, tmp_path: Path) -> None:
    path = exported(tmp_path, family)
    vectors = read_golden(golden_path(path))
    assert [layer.name for layer in vectors.about.layers] == LAYERS["whisper" if family == "whisper" else "waveform"]
    found = check_export(path)
    assert (found.is_right, found.notes) == (True, ())
    assert all(check.is_given and check.difference is not None for check in found.file)
    checkpoint = random_checkpoint(family)
    posteriors = TorchScorer(checkpoint.classifier, checkpoint.thresholds).score(vectors.waveforms)
    assert np.allclose(vectors.layers["posteriors"], posteriors, atol=1e-6)


def test_vectors_of_an_int8_file_are_its_own(tmp_path: Path, golden: Golden) -> None:
    path = exported(tmp_path, int8=True)
    vectors = read_golden(golden_path(path))
    assert vectors.about.precision == "int8"
    assert check_export(path).is_right
    assert np.allclose(vectors.layers["log_mel"], golden.layers["log_mel"], atol=1e-4)
    assert not np.allclose(vectors.layers["frames_3"], golden.layers["frames_3"], atol=1e-4)


def test_the_file_has_its_two_outputs_and_names_the_layers(model: Path, golden: Golden) -> None:
    graph = onnx.load(str(model)).graph
    assert [output.name for output in graph.output] == ["logits", "posteriors"]
    assert set(golden.layers) <= {name for node in graph.node for name in node.output}


def test_a_port_that_is_right_is_right(model: Path, golden: Golden, tmp_path: Path) -> None:
    theirs = {name: values + 1e-6 for name, values in golden.layers.items()}
    found = check_export(model, outputs=saved(theirs, tmp_path))
    assert found.is_right
    assert found.port is not None
    assert all(check.difference is not None and check.difference < 2e-6 for check in found.port)
    some = {"waveforms": golden.waveforms, "posteriors": golden.layers["posteriors"].astype(np.float64)}
    found = check_export(model, outputs=saved(some, tmp_path))
    assert found.port is not None
    assert [check.is_given for check in found.port] == [False, False, False, False, True]


def test_the_first_layer_that_differs_is_named_with_its_place(model: Path, golden: Golden, tmp_path: Path) -> None:
    theirs = {name: values.copy() for name, values in golden.layers.items()}
    theirs["log_mel"][2, 7, 31] += 0.25
    theirs["posteriors"] += 0.5
    found = check_export(model, outputs=saved(theirs, tmp_path))
    assert not found.is_right
    assert found.port is not None
    wrong = first_problem(found.port)
    assert wrong is not None
    assert (wrong.layer.name, round(wrong.difference or 0.0, 3)) == ("log_mel", 0.25)
    assert wrong.problem is not None
    assert "differs in window 2, in 0.0% of the values: first at window 2, mel band 7, frame 31 (" in wrong.problem


def test_parts_of_an_embedding_are_told_apart(tmp_path: Path) -> None:
    classifier = random_classifier(layers=(1, 3))
    checkpoint = dataclasses.replace(random_checkpoint(), classifier=classifier, digest=DIGEST)
    path = export_onnx(checkpoint, tmp_path / "model.onnx", golden=True).path
    vectors = read_golden(golden_path(path))
    embedding = vectors.layers["embedding"].copy()
    embedding[1, -1] += 10.0
    found = check_export(path, outputs=saved({"embedding": embedding}, tmp_path))
    assert found.port is not None
    (problem,) = (check.problem for check in found.port if check.is_given)
    assert problem is not None
    assert problem.startswith("differs in window 1, only in layer 3, in ")
    posteriors = vectors.layers["posteriors"].copy()
    posteriors[:, 1] += 0.1
    found = check_export(path, outputs=saved({"posteriors": posteriors}, tmp_path))
    assert found.port is not None
    assert "differs in windows 0, 1, 2, 3, only in no, in 25.0% of the values" in str(found.port[-1].problem)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.transpose(0, 2, 1), "its axes are the other way round"),
        (lambda values: values[1:], "give all 4 windows"),
        (lambda values: values[..., :-1], "has shape [4, 80, 99], not [4, 80, 100]"),
        (lambda values: np.where(values > 0.0, np.nan, values), "is not a finite number at window 0, mel band"),
        (lambda values: values.astype("<U8"), "not numbers"),
    ],
)
def test_what_cannot_be_compared_is_explained(
    change: object, said: str, model: Path, golden: Golden, tmp_path: Path
) -> None:
    assert callable(change)
    found = check_export(model, outputs=saved({"log_mel": change(golden.layers["log_mel"])}, tmp_path))
    assert found.port is not None
    assert said in str(found.port[0].problem)
    assert not found.is_right


def test_half_precision_passes_with_more_tolerance(model: Path, golden: Golden, tmp_path: Path) -> None:
    theirs = saved({"logits": golden.layers["logits"] * 1.01}, tmp_path)
    assert not check_export(model, outputs=theirs).is_right
    assert check_export(model, outputs=theirs, scale=20.0).is_right
    with pytest.raises(ConfigError, match="use a positive number"):
        check_export(model, scale=0.0)


def test_a_file_that_was_changed_is_judged_all_the_same(model: Path, golden: Golden, tmp_path: Path) -> None:
    changed = onnx.load(str(model))
    del changed.metadata_props[:]
    for node in changed.graph.node:
        node.output[:] = ["mel" if name == "log_mel" else name for name in node.output]
        node.input[:] = ["mel" if name == "log_mel" else name for name in node.input]
    onnx.save(changed, str(tmp_path / "changed.onnx"))
    found = check_export(tmp_path / "changed.onnx", golden_path(model))
    assert found.is_right
    assert not found.file[0].is_given
    assert len(found.notes) == 2
    assert "names no layer log_mel" in found.notes[1]
    weights = next(one for one in changed.graph.initializer if one.name.endswith("fc1.bias"))
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) + 1.0, weights.name))
    onnx.save(changed, str(tmp_path / "changed.onnx"))
    wrong = first_problem(check_export(tmp_path / "changed.onnx", golden_path(model)).file)
    assert wrong is not None
    assert wrong.layer.name == "frames_3"


def test_vectors_of_another_checkpoint_and_damaged_ones_are_refused(
    model: Path, golden: Golden, tmp_path: Path
) -> None:
    about = golden.about.model_copy(update={"checkpoint_digest": "cd" * 32})
    write_golden(dataclasses.replace(golden, about=about), tmp_path / "other.npz")
    with pytest.raises(CheckpointIncompatibleError, match="golden vectors of checkpoint cdcdcd"):
        check_export(model, tmp_path / "other.npz")
    content = golden_path(model).read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    np.savez(tmp_path / "foreign.npz", log_mel=golden.layers["log_mel"])
    np.savez(tmp_path / "pickled.npz", about=np.array([{}], dtype=object))
    write_golden(dataclasses.replace(golden, layers={}), tmp_path / "fewer.npz")
    for name in ("cut.npz", "foreign.npz", "pickled.npz", "fewer.npz"):
        with pytest.raises(CheckpointCorruptError, match=name):
            check_export(model, tmp_path / name)
    with pytest.raises(CheckpointNotFoundError, match="export it again"):
        check_export(model, tmp_path / "gone.npz")
    with pytest.raises(CheckpointNotFoundError, match="no such file"):
        check_export(tmp_path / "gone.onnx")


def test_outputs_that_are_no_layers_are_refused_with_their_names(model: Path, golden: Golden, tmp_path: Path) -> None:
    for arrays in ({"mel": golden.layers["log_mel"]}, {"waveforms": golden.waveforms}):
        with pytest.raises(ConfigError, match="log_mel, frames_3, embedding, logits, posteriors"):
            check_export(model, outputs=saved(arrays, tmp_path))
    with pytest.raises(ConfigError, match="no such file"):
        check_export(model, outputs=tmp_path / "gone.npz")


def test_the_verb_needs_no_torch_and_tells_by_its_exit_code(model: Path, golden: Golden, tmp_path: Path) -> None:
    theirs = saved({"log_mel": -golden.layers["log_mel"]}, tmp_path)
    said = run_python(
        """
        import sys
        from speechtune.cli.app import run
        assert run(["check-export", sys.argv[1]]) == 0
        assert run(["check-export", sys.argv[1], "--outputs", sys.argv[2]]) == 1
        assert run(["check-export", sys.argv[2]]) == 2
        assert "torch" not in sys.modules
        """,
        arguments=[str(model), str(theirs)],
    )
    assert said.count("every layer that is given is right") == 2
    assert "the first that is wrong: log_mel differs in windows 0, 1, 2, 3" in said


def test_the_findings_as_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check-export", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["right"], found["port"], found["notes"]) == (True, None, [])
    assert [row["layer"] for row in found["file"]] == LAYERS["whisper"]


def test_without_golden_vectors_there_are_none(tmp_path: Path) -> None:
    report = export_onnx(dataclasses.replace(random_checkpoint(), digest=DIGEST), tmp_path / "model.onnx")
    assert report.golden is None
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
