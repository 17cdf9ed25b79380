"""The folder for `transformers` answers as the checkpoint does, without speechtune."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speechtune.audio.placement import place_by_energy
from speechtune.cli.app import run
from speechtune.errors import CheckpointNotFoundError, ConfigError
from speechtune.labels import LabelSet
from speechtune.models.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.for_transformers.folder import TOLERANCE, export_transformers
from speechtune.models.for_transformers.modeling_speechtune import (
    SpeechtuneFeatureExtractor,
    SpeechtuneForAudioClassification,
)
from speechtune.recipe import Recipe
from tests.support.clips import word_like
from tests.support.encoders import FAMILIES, noise_windows, random_checkpoint, random_encoder
from tests.support.processes import run_python


def whole_checkpoint(second_look: bool = True) -> Checkpoint:
    """Every part there is: two layers, segments, a decoder, negatives."""
    labels = LabelSet(("yes", "no"), ("cat", "dog"))
    encoder = random_encoder("whisper", decoder=True)
    classifier = KeywordClassifier(encoder, labels, 16_000, layers=(1, 3), num_segments=3, uses_decoder=True)
    torch.manual_seed(3)
    with torch.no_grad():
        for buffer in (classifier.head.mean, classifier.head.scale):
            buffer.uniform_(0.5, 1.5)
        classifier.head.block_weights.copy_(torch.tensor([1.0, 0.5, 2.0]))
    recipe = Recipe.model_validate({"clip": {"second_look": second_look}})
    return Checkpoint(classifier.eval(), {"yes": 0.5, "no": 0.25}, recipe, {})


def written(checkpoint: Checkpoint, place: Path) -> tuple[Path, Checkpoint]:
    save_checkpoint(checkpoint, place / "lights")
    export_transformers(place / "lights", place / "out")
    return place / "out", load_checkpoint(place / "lights")


def posteriors_of(model: Any, windows: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        logits = model(torch.from_numpy(windows)).logits
    values: np.ndarray = torch.softmax(logits, dim=1).numpy()
    return values


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_posteriors_of_the_checkpoint(family: str, tmp_path: Path) -> None:
    checkpoint = random_checkpoint(family)
    folder, loaded = written(checkpoint, tmp_path)
    model = SpeechtuneForAudioClassification.from_pretrained(folder)
    windows = noise_windows(5).numpy()
    assert np.abs(posteriors_of(model, windows) - loaded.scorer().score(windows)).max() <= TOLERANCE


@pytest.mark.parametrize("second_look", [True, False])
def test_decoder_segments_and_the_second_look_are_in_it(second_look: bool, tmp_path: Path) -> None:
    folder, loaded = written(whole_checkpoint(second_look), tmp_path)
    model = SpeechtuneForAudioClassification.from_pretrained(folder)
    windows = np.concatenate([noise_windows(6).numpy(), np.zeros((1, 16_000), dtype=np.float32)])
    expected = loaded.scorer().score(windows)
    assert np.abs(posteriors_of(model, windows) - expected).max() <= TOLERANCE
    once = dataclasses.replace(loaded, recipe=Recipe.model_validate({"clip": {"second_look": False}})).scorer()
    assert (np.abs(expected - once.score(windows)).max() > 1e-3) == second_look


_PIPELINE = """
    import json, sys
    import numpy as np

    class NoSpeechtune:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "speechtune":
                raise ModuleNotFoundError(name)

    sys.meta_path.insert(0, NoSpeechtune())
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, pipeline
    model = AutoModelForAudioClassification.from_pretrained(sys.argv[1], trust_remote_code=True)
    extractor = AutoFeatureExtractor.from_pretrained(sys.argv[1], trust_remote_code=True)
    classify = pipeline("audio-classification", sys.argv[1], trust_remote_code=True, top_k=None)
    clip = np.load(sys.argv[2])
    inputs = extractor(clip, sampling_rate=16_000, return_tensors="pt")
    by_hand = model(**inputs).logits[0].softmax(-1).tolist()
    scores = classify({"raw": clip, "sampling_rate": 16_000})
    print(json.dumps([dict(zip(model.config.id2label.values(), by_hand)), {s["label"]: s["score"] for s in scores}]))
"""


def test_the_auto_classes_and_the_pipeline_answer_without_speechtune(tmp_path: Path) -> None:
    folder, loaded = written(whole_checkpoint(), tmp_path)
    clip = np.concatenate([np.zeros(9_000, dtype=np.float32), word_like(2), np.zeros(3_000, dtype=np.float32)])
    np.save(tmp_path / "clip.npy", clip)
    said = run_python(
        _PIPELINE,
        arguments=[str(folder), str(tmp_path / "clip.npy")],
        HF_HUB_OFFLINE="1",
        HF_HOME=str(tmp_path / "home"),
    )
    expected = loaded.scorer().score(place_by_energy(clip, 16_000)[None])[0]
    for answered in json.loads(said):
        assert set(answered) == set(loaded.classifier.labels.labels)
        values = [answered[label] for label in loaded.classifier.labels.labels]
        assert np.abs(np.array(values) - expected).max() <= TOLERANCE


def test_the_feature_extractor_places_a_clip_as_the_library_does() -> None:
    extractor = SpeechtuneFeatureExtractor(window_samples=16_000)
    for seed, num_samples in ((1, 30_000), (2, 16_000), (3, 5_000), (4, 399), (5, 1)):
        clip = np.random.default_rng(seed).normal(0.0, 0.1, num_samples).astype(np.float32)
        clip *= np.linspace(0.0, 1.0, num_samples, dtype=np.float32) ** 4
        window = extractor(clip, sampling_rate=16_000)["input_values"]
        assert np.array_equal(window[0], place_by_energy(clip, 16_000))
    batch = extractor([[0.0, 0.5], [0.1]], return_tensors="pt")["input_values"]
    assert (tuple(batch.shape), batch.dtype) == ((2, 16_000), torch.float32)
    assert extractor([0.0, 0.5])["input_values"].shape == (1, 16_000)
    with pytest.raises(ValueError, match="8000 Hz: this model hears 16000 Hz"):
        extractor(np.zeros(4), sampling_rate=8_000)
    for nothing in ([], np.zeros(0), [np.zeros((2, 3))]):
        with pytest.raises(ValueError, match="at least one sample"):
            extractor(nothing)


def test_it_can_be_trained_further_and_refuses_other_windows(tmp_path: Path) -> None:
    folder, _ = written(whole_checkpoint(), tmp_path)
    model = SpeechtuneForAudioClassification.from_pretrained(folder)
    model.train()
    windows = noise_windows(4)
    loss = model(windows, labels=torch.tensor([0, 1, 2, 0])).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert model.head.linears[0].weight.grad.abs().max() > 0.0
    with pytest.raises(ValueError, match=r"\(4, 15999\): this model takes windows of 16000 samples"):
        model(windows[:, 1:])


def test_the_folder_says_what_it_is(tmp_path: Path) -> None:
    folder, loaded = written(whole_checkpoint(), tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "modeling_speechtune.py",
        "preprocessor_config.json",
    ]
    config = json.loads((folder / "config.json").read_text())
    assert list(config["id2label"].values()) == list(loaded.classifier.labels.labels)
    assert (config["thresholds"], config["checkpoint_digest"]) == ({"yes": 0.5, "no": 0.25}, loaded.digest)
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: audio-classification\n")
    assert 'pipeline("audio-classification", "out", trust_remote_code=True)' in card


def test_the_verb_writes_it_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(random_checkpoint(), tmp_path / "lights")
    out = tmp_path / "out"
    assert run(["export", str(tmp_path / "lights"), "--format", "transformers", "--out", str(out)]) == 0
    assert "load it with trust_remote_code=True" in capsys.readouterr().out
    assert run(["export", str(tmp_path / "lights"), "--format", "transformers", "--out", str(out)]) == 2
    assert "exists; name a new folder" in capsys.readouterr().err
    assert run(["export", str(tmp_path), "--format", "transformers", "--int8", "--out", str(tmp_path / "x")]) == 2
    assert "--int8 belongs to --format onnx" in capsys.readouterr().err
    with pytest.raises(CheckpointNotFoundError):
        export_transformers(tmp_path / "gone", tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        export_transformers(tmp_path / "lights", tmp_path / "file" / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "lights", "out"]
