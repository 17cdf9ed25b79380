"""Waveform to posteriors, and the scorer that streams and the evaluator ask."""

from __future__ import annotations

import pytest
import torch

from speechtune.errors import ConfigError, UnsupportedAudioError
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier
from tests.support.encoders import FAMILIES, noise_windows, random_classifier, random_encoder

THRESHOLDS = {"yes": 0.5, "no": 0.4}

every_family = pytest.mark.parametrize("family", FAMILIES)


@every_family
def test_posteriors_are_the_softmax_over_classes_summed_per_label(family: str) -> None:
    classifier = random_classifier(family)
    windows = noise_windows(3)
    with torch.inference_mode():
        classes = torch.softmax(classifier(windows) / classifier.head.temperature, dim=1)
        posteriors = classifier.posteriors(windows)
    assert classes.shape == (3, 5)
    assert classifier.labels.labels == ("yes", "no", "_unknown_", "_silence_")
    expected = torch.stack([classes[:, 0], classes[:, 1], classes[:, 2] + classes[:, 3], classes[:, 4]], dim=1)
    assert torch.allclose(posteriors, expected, atol=1e-6)


def test_a_model_without_negatives_never_says_unknown() -> None:
    classifier = random_classifier(labels=LabelSet(("yes",)))
    posteriors = classifier.posteriors(noise_windows(2))
    assert posteriors.shape == (2, 3)
    assert posteriors[:, 1].tolist() == [0.0, 0.0]
    assert torch.allclose(posteriors.sum(dim=1), torch.ones(2))


def test_pooled_layers_are_joined_in_the_order_they_were_named() -> None:
    encoder = random_encoder("wav2vec2")
    labels = LabelSet(("yes",))
    windows = noise_windows(2)
    first, last = (KeywordClassifier(encoder, labels, 16_000, layers=(layer,)).embed(windows) for layer in (1, -1))
    both = KeywordClassifier(encoder, labels, 16_000, layers=(-1, 1))
    assert both.layers == (3, 1)
    assert torch.equal(both.embed(windows), torch.cat([last, first], dim=1))


def test_layers_above_the_highest_one_needed_do_not_run() -> None:
    classifier = random_classifier("whisper", layers=(2,))
    ran = []
    for number, layer in enumerate(classifier.encoder.model.layers, start=1):
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    classifier(noise_windows(1))
    assert ran == [1, 2]


@pytest.mark.parametrize("layers", [(), (0,), (4,), (-4,), (3, -1), (1, 1)])
def test_layers_the_encoder_does_not_have_are_refused(layers: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"encoder\.layers"):
        KeywordClassifier(random_encoder("whisper"), LabelSet(("yes",)), 16_000, layers=layers)


def test_the_decoders_state_is_the_last_block() -> None:
    encoder = random_encoder("whisper", decoder=True)
    windows = noise_windows(2)
    classifier = KeywordClassifier(encoder, LabelSet(("yes",)), 16_000, uses_decoder=True, decoder_weight=2.0)
    pooled = KeywordClassifier(encoder, LabelSet(("yes",)), 16_000).embed(windows)
    assert torch.equal(classifier.embed(windows), torch.cat([pooled, encoder.state(encoder(windows)[-1])], dim=1))
    assert classifier.head.block_weights.tolist() == [1.0, 2.0]


def test_a_decoder_the_encoder_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.decoder"):
        KeywordClassifier(random_encoder("wav2vec2"), LabelSet(("yes",)), 16_000, uses_decoder=True)
    with pytest.raises(ConfigError, match=r"encoder\.decoder"):
        random_encoder("wav2vec2").state(torch.zeros(1, 2, 32))


def test_more_segments_than_frames_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_segments: 16 is more than the window's 5 frames"):
        KeywordClassifier(random_encoder("whisper"), LabelSet(("yes",)), 1_600, num_segments=16)


def test_a_window_longer_than_the_encoder_hears_is_refused() -> None:
    with pytest.raises(UnsupportedAudioError, match="not 600000"):
        KeywordClassifier(random_encoder("whisper"), LabelSet(("yes",)), 600_000)


@every_family
def test_gradients_reach_every_trainable_parameter(family: str) -> None:
    classifier = random_classifier(family, layers=(1, -1)).train()
    loss = torch.nn.functional.cross_entropy(classifier(noise_windows(4)), torch.tensor([0, 1, 2, 4]))
    loss.backward()
    trainable = {name: value for name, value in classifier.named_parameters() if value.requires_grad}
    assert "head.linears.0.weight" in trainable
    assert len(trainable) > 30
    for name, parameter in trainable.items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if not name.endswith("k_proj.bias"):  # the softmax of attention cancels a bias of the keys
            assert parameter.grad.abs().max() > 0, name


def test_only_the_position_table_is_frozen_from_the_start() -> None:
    frozen = [name for name, value in random_classifier("whisper").named_parameters() if not value.requires_grad]
    assert frozen == ["encoder.model.embed_positions.weight"]
