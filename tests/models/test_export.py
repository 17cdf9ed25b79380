"""One ONNX file: the same posteriors as torch, and everything that is needed to use it."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from speechtune.audio.placement import place_by_energy
from speechtune.errors import (
    CheckpointCorruptError,
    CheckpointIncompatibleError,
    CheckpointNotFoundError,
    ConfigError,
    UnsupportedAudioError,
)
from speechtune.models.export import FP32_TOLERANCE, export_onnx
from speechtune.models.scorers.onnx_scorer import METADATA_KEY, OnnxScorer
from speechtune.models.scorers.torch_scorer import TorchScorer
from tests.support.clips import word_like, write_audio
from tests.support.encoders import FAMILIES, noise_windows, random_checkpoint
from tests.support.processes import run_python

DIGEST = "ab" * 32
INT8_TOLERANCE = 0.02


@pytest.fixture(autouse=True)
def _quantiser_hints_are_not_ours(caplog):
    caplog.set_level(logging.ERROR)


def saved(family="whisper"):
    return dataclasses.replace(random_checkpoint(family), digest=DIGEST)


def one_look(checkpoint):
    return TorchScorer(checkpoint.classifier, checkpoint.thresholds)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_onnx(saved(), folder / "fp32.onnx")
    export_onnx(saved(), folder / "int8.onnx", int8=True)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_posteriors_of_torch(family, tmp_path):
    checkpoint = saved(family)
    report = export_onnx(checkpoint, tmp_path / "model.onnx")
    windows = noise_windows(5).numpy()
    difference = np.abs(OnnxScorer(report.path).score(windows) - one_look(checkpoint).score(windows)).max()
    assert max(difference, report.max_difference) <= FP32_TOLERANCE


@pytest.mark.parametrize("num_windows", [0, 1, 3, 4, 11])
def test_windows_shared_out_over_cores_have_the_posteriors_they_have_one_by_one(exported, num_windows):
    windows = noise_windows(11).numpy()[:num_windows]
    for name, tolerance in (("fp32.onnx", 1e-5), ("int8.onnx", 0.0)):
        one_by_one = OnnxScorer(exported / name).score(windows)
        shared_out = OnnxScorer(exported / name, num_cores=2).score(windows)
        assert shared_out.shape == one_by_one.shape == (num_windows, 4)
        np.testing.assert_allclose(shared_out, one_by_one, atol=tolerance, rtol=0.0)


def test_int8_is_smaller_and_close(exported):
    windows = noise_windows(5).numpy()
    difference = np.abs(OnnxScorer(exported / "int8.onnx").score(windows) - one_look(saved()).score(windows)).max()
    assert 0.0 < difference <= INT8_TOLERANCE
    assert (exported / "int8.onnx").stat().st_size < (exported / "fp32.onnx").stat().st_size


@pytest.mark.parametrize("family", FAMILIES)
def test_int8_takes_the_linear_layers_of_the_encoder_and_nothing_else(family, tmp_path):
    export_onnx(saved(family), tmp_path / "int8.onnx", int8=True)
    nodes = onnx.load(str(tmp_path / "int8.onnx")).graph.node
    integer = [node.name for node in nodes if node.op_type in ("MatMulInteger", "ConvInteger")]
    assert any("fc1" in name or "dense" in name for name in integer)
    assert not [name for name in integer if "conv" in name.lower() or "/head/" in name or "/features/" in name]
    assert [node.name for node in nodes if node.op_type == "Conv"]
    assert [node.name for node in nodes if node.op_type in ("Gemm", "MatMul") and "/head/" in node.name]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_window_has_the_same_posteriors_alone_and_in_company(exported, precision):
    scorer = OnnxScorer(exported / f"{precision}.onnx")
    windows = noise_windows(7).numpy()
    together = scorer.score(windows)
    assert np.array_equal(together[3:4], scorer.score(windows[3:4]))
    assert np.allclose(together.sum(axis=1), 1.0, atol=1e-5)


def test_the_graph_itself_takes_any_batch_and_gives_logits_too(exported):
    session = onnxruntime.InferenceSession(str(exported / "fp32.onnx"), providers=["CPUExecutionProvider"])
    windows = noise_windows(6).numpy()
    logits, posteriors = session.run(["logits", "posteriors"], {"waveforms": windows})
    classifier = saved().classifier
    assert logits.shape == (6, len(classifier.labels.classes))
    assert np.allclose(posteriors, one_look(saved()).score(windows), atol=FP32_TOLERANCE)


def test_the_file_says_what_it_is(exported):
    scorer, checkpoint = OnnxScorer(exported / "int8.onnx"), saved()
    assert (scorer.labels, scorer.thresholds) == (checkpoint.classifier.labels, dict(checkpoint.thresholds))
    assert scorer.window_samples == 16_000
    description = scorer.description
    assert (description.precision, description.checkpoint_digest) == ("int8", DIGEST)
    assert (description.detector, description.endpointing) == (
        checkpoint.recipe.detector,
        checkpoint.recipe.endpointing,
    )


def test_windows_of_another_length_are_refused(exported):
    with pytest.raises(UnsupportedAudioError, match=r"\[any, 16000\]"):
        OnnxScorer(exported / "fp32.onnx").score(np.zeros((1, 15_999), dtype=np.float32))


def test_what_is_no_such_file_is_refused_by_name(exported, tmp_path):
    import onnx

    with pytest.raises(CheckpointNotFoundError, match="speechtune export"):
        OnnxScorer(tmp_path / "none.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes((exported / "fp32.onnx").read_bytes()[:-1000])
    with pytest.raises(CheckpointCorruptError, match=r"damaged\.onnx"):
        OnnxScorer(damaged)
    model = onnx.load(str(exported / "fp32.onnx"))
    for text, hint in ((None, "another program"), (json.dumps({"format_version": 2}), "does not know")):
        onnx.helper.set_model_props(model, {METADATA_KEY: text} if text else {})
        onnx.save(model, str(tmp_path / "foreign.onnx"))
        with pytest.raises(CheckpointIncompatibleError, match=hint):
            OnnxScorer(tmp_path / "foreign.onnx")


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"no/model.onnx: cannot be written"):
        export_onnx(saved(), tmp_path / "no" / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_scoring_needs_no_torch(exported):
    printed = run_python(f"""
        import sys
        from pathlib import Path
        import numpy as np
        from speechtune.models.scorers.onnx_scorer import OnnxScorer
        scorer = OnnxScorer(Path({str(exported / "fp32.onnx")!r}))
        print(scorer.score(np.zeros((1, 16_000), np.float32)).shape)
        print(sorted({{"torch", "transformers", "onnx"}} & sys.modules.keys()))
    """)
    assert printed.split("\n")[:2] == ["(1, 4)", "[]"]


def test_the_example_recognises_with_onnxruntime_and_numpy_alone(exported, tmp_path):
    word = word_like(3)
    clip = write_audio(tmp_path / "clip.wav", word)
    script = Path(__file__).resolve().parents[2] / "examples" / "recognize_onnx.py"
    said = run_python(
        f"""
        import runpy, sys
        sys.argv = ["recognize_onnx", {str(exported / "fp32.onnx")!r}, {str(clip)!r}]
        runpy.run_path({str(script)!r})
        assert not sys.modules.keys() & {{"torch", "speechtune", "soundfile"}}
        """
    )
    scorer = OnnxScorer(exported / "fp32.onnx")
    posteriors = scorer.score(place_by_energy(word, scorer.window_samples)[None])[0]
    best = int(posteriors[: len(scorer.labels.keywords)].argmax())
    keyword = scorer.labels.keywords[best]
    answer, confidence = said.split()
    assert answer == (keyword if posteriors[best] >= scorer.thresholds[keyword] else "_unknown_")
    assert float(confidence) == pytest.approx(float(posteriors[best]), abs=0.02)
