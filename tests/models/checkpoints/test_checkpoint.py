"""A checkpoint comes back to the last bit, and says what it is."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from speechtune.labels import LabelSet
from speechtune.models.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.encoders import packaged
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.loading import load_encoder
from speechtune.recipe import Recipe
from tests.support.encoders import (
    FAMILIES,
    needs_packaged_weights,
    noise_windows,
    random_checkpoint,
    random_classifier,
    random_encoder,
    save_random_model,
)
from tests.support.processes import run_python


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_comes_back_to_the_last_bit(family: str, tmp_path: Path) -> None:
    before = save_checkpoint(random_checkpoint(family), tmp_path / "model")
    after = load_checkpoint(tmp_path / "model")
    windows = noise_windows(3).numpy()
    assert np.array_equal(after.scorer().score(windows), before.scorer().score(windows))
    assert after.digest == before.digest
    assert after.thresholds == before.thresholds
    assert after.recipe == before.recipe
    assert after.training == before.training
    assert after.classifier.labels == before.classifier.labels
    assert not after.classifier.training
    theirs = dict(after.classifier.named_parameters())
    for name, parameter in before.classifier.named_parameters():
        assert torch.equal(theirs[name], parameter)
        assert theirs[name].requires_grad == parameter.requires_grad
        assert theirs[name].dtype == torch.float32


def test_several_layers_and_another_window_come_back(tmp_path: Path) -> None:
    classifier = random_classifier("wavlm", layers=(-1, 1), num_segments=2, window_samples=12_345)
    save_checkpoint(Checkpoint(classifier, {"yes": 0.1, "no": 0.9}, Recipe(), {}), tmp_path / "model")
    after = load_checkpoint(tmp_path / "model").classifier
    windows = noise_windows(2, 12_345)
    with torch.inference_mode():
        assert torch.equal(after.posteriors(windows), classifier.posteriors(windows))


def test_a_decoder_comes_back_and_needs_no_vocabulary(tmp_path: Path) -> None:
    encoder = random_encoder("whisper", decoder=True)
    classifier = KeywordClassifier(encoder, LabelSet(("yes", "no")), 16_000, uses_decoder=True).eval()
    save_checkpoint(Checkpoint(classifier, {"yes": 0.1, "no": 0.9}, Recipe(), {}), tmp_path / "model")
    after = load_checkpoint(tmp_path / "model").classifier
    windows = noise_windows(2)
    with torch.inference_mode():
        assert torch.equal(after.posteriors(windows), classifier.posteriors(windows))


def test_a_loaded_checkpoint_can_be_trained_and_saved_again(saved: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(saved)
    loaded.classifier.train()(noise_windows(2)).sum().backward()
    assert loaded.classifier.head.linears[0].weight.grad is not None
    assert save_checkpoint(loaded, tmp_path / "again").digest == loaded.digest


@needs_packaged_weights
def test_weights_that_came_as_float16_stay_that_small(tiny_en: SpeechEncoder, tmp_path: Path) -> None:
    classifier = KeywordClassifier(tiny_en, LabelSet(("yes", "no")), 16_000, num_segments=3)
    save_checkpoint(Checkpoint(classifier, {"yes": 0.5, "no": 0.5}, Recipe(), {}), tmp_path / "model")
    size = (tmp_path / "model" / "weights.safetensors").stat().st_size
    num_parameters = sum(parameter.numel() for parameter in tiny_en.parameters())
    assert size < 2.05 * num_parameters
    loaded = load_checkpoint(tmp_path / "model").classifier
    assert all(torch.equal(value, tiny_en.state_dict()[name]) for name, value in loaded.encoder.state_dict().items())


@needs_packaged_weights
def test_it_serves_with_no_hub_and_no_package_of_weights(
    tiny_en: SpeechEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _forbidden(*_: object) -> None:
        raise AssertionError("a checkpoint asked for something outside its folder")

    classifier = KeywordClassifier(tiny_en, LabelSet(("yes", "no")), 16_000)
    before = save_checkpoint(Checkpoint(classifier, {"yes": 0.5, "no": 0.5}, Recipe(), {}), tmp_path / "model")
    monkeypatch.setattr(packaged, "find_spec", _forbidden)
    monkeypatch.setattr(socket.socket, "connect", _forbidden)
    after = load_checkpoint(tmp_path / "model")
    windows = noise_windows(1).numpy()
    assert np.array_equal(after.scorer().score(windows), before.scorer().score(windows))


def test_the_same_model_has_the_same_digest_and_another_has_another(saved: Path, tmp_path: Path) -> None:
    digest = load_checkpoint(saved).digest
    assert len(digest) == 64
    assert save_checkpoint(random_checkpoint(), tmp_path / "again").digest == digest
    moved = {"yes": 0.5, "no": 0.26}
    assert save_checkpoint(random_checkpoint(thresholds=moved), tmp_path / "other").digest != digest


def test_the_summary_is_read_without_torch(saved: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        import speechtune
        from speechtune.models.checkpoints.files import read_summary
        summary = read_summary(Path({str(saved)!r}))
        assert "torch" not in sys.modules
        print(summary.digest, summary.description.keywords, summary.description.encoder["family"])
    """
    assert run_python(code) == f"{load_checkpoint(saved).digest} ('yes', 'no') whisper\n"


def test_the_model_card_says_what_it_recognises_and_where_it_fails(saved: Path) -> None:
    card = (saved / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: speechtune\n")
    for line in ("| yes | 0.500 |", "| no | 0.250 |", "| num clips | 20 |", "## Where it fails", "cat, dog"):
        assert line in card


def test_words_with_markup_cannot_break_the_model_card(tmp_path: Path) -> None:
    classifier = random_classifier(labels=LabelSet(("a|b", "<b>", "*x*"), ("`y`",)))
    checkpoint = Checkpoint(classifier, dict.fromkeys(("a|b", "<b>", "*x*"), 0.5), Recipe(), {"note": "a\nb|c"})
    save_checkpoint(checkpoint, tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| a\\|b | 0.500 |" in card
    assert "| note | a b\\|c |" in card


def test_a_card_names_the_base_model_on_the_hub_and_no_path_of_a_machine(tmp_path: Path) -> None:
    save_random_model("hubert", tmp_path / "secret" / "encoder", normalise=True)
    encoder = load_encoder(str(tmp_path / "secret" / "encoder"))
    classifier = KeywordClassifier(encoder, LabelSet(("yes",)), 16_000)
    save_checkpoint(Checkpoint(classifier, {"yes": 0.5}, Recipe(), {}), tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "secret" not in card
    assert "base_model" not in card


def test_a_model_card_that_was_edited_or_removed_does_not_matter(saved: Path) -> None:
    digest = load_checkpoint(saved).digest
    (saved / "README.md").write_text("# mine\n")
    assert load_checkpoint(saved).digest == digest
    (saved / "README.md").unlink()
    assert load_checkpoint(saved).digest == digest


def test_a_moved_or_copied_checkpoint_is_the_same(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "elsewhere" / "copy")
    assert load_checkpoint(tmp_path / "elsewhere" / "copy").digest == load_checkpoint(saved).digest
