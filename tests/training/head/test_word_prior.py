"""What the names of labels are worth, for whom, and when they are not asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from speechtune.data.sets.clips import Clip
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.loading import load_encoder
from speechtune.recipe import HeadSettings
from speechtune.training.head.word_prior import word_prior
from tests.support.encoders import needs_packaged_weights, random_encoder

LABELS = LabelSet(("yes", "no"), ("cat",))


@pytest.fixture(scope="module")
def tiny_en() -> SpeechEncoder:
    return load_encoder("whisper-tiny.en")


def clips(num_yes: int, num_no: int) -> list[Clip]:
    counts = {"yes": num_yes, "no": num_no, "cat": 7}
    return [Clip(Path(f"{label}{n}.wav"), label) for label, count in counts.items() for n in range(count)]


def classifier(encoder: SpeechEncoder, uses_decoder: bool = True) -> KeywordClassifier:
    return KeywordClassifier(encoder, LABELS, 16_000, uses_decoder=uses_decoder)


@needs_packaged_weights
def test_names_fade_with_the_clips_of_a_keyword(tiny_en: SpeechEncoder) -> None:
    model, settings = classifier(tiny_en), HeadSettings(word_knowledge=5.0)
    few, many = (word_prior(model, clips(*counts), settings, may_fetch=False) for counts in ((1, 1), (10, 20)))
    assert few is not None
    assert many is not None
    assert few.share == pytest.approx(5 / 6)
    assert many.share == pytest.approx(5 / 20)
    assert few.groups.tolist() == [0, 0, 1, 1]
    assert few.directions[:3].norm(dim=1).min() > 0.0
    assert torch.equal(few.directions[3], torch.zeros(tiny_en.hidden_size))


@needs_packaged_weights
def test_names_are_not_asked_where_the_recipe_or_the_classifier_says_so(tiny_en: SpeechEncoder) -> None:
    some = clips(2, 2)
    assert word_prior(classifier(tiny_en), some, HeadSettings(word_knowledge=0.0), may_fetch=False) is None
    assert word_prior(classifier(tiny_en, uses_decoder=False), some, HeadSettings(), may_fetch=False) is None


def test_an_encoder_whose_vocabulary_is_not_at_hand_has_no_prior() -> None:
    model = classifier(random_encoder("whisper", decoder=True))
    assert word_prior(model, clips(2, 2), HeadSettings(), may_fetch=False) is None
