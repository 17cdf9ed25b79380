"""The scorer that streams and the evaluator ask: in company, in halves, and on a GPU."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.func import functional_call

from speechtune.errors import ConfigError, UnsupportedAudioError
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.precision import halve_weights
from speechtune.models.scorers import torch_scorer
from speechtune.models.scorers.torch_scorer import TorchScorer
from speechtune.streaming.config import Scorer
from tests.support.encoders import FAMILIES, needs_packaged_weights, noise_windows, random_classifier, random_encoder

THRESHOLDS = {"yes": 0.5, "no": 0.4}

every_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture
def has_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with instructions for bfloat16; torch computes the same without, only slowly."""
    monkeypatch.setattr(torch_scorer, "has_bfloat16", lambda _: True)


@every_family
def test_a_window_scores_alone_as_in_any_batch(family: str) -> None:
    scorer = TorchScorer(random_classifier(family), THRESHOLDS)
    windows = noise_windows(70).numpy()  # more than one batch of the scorer's own
    together = scorer.score(windows)
    alone = np.concatenate([scorer.score(window[None]) for window in windows])
    # Posteriors lie within 0 and 1; another batch size adds in another order.
    assert np.abs(together - alone).max() < 1e-5


@pytest.mark.parametrize(
    ("num_windows", "num_cores", "sizes"),
    [(7, 2, [7]), (8, 2, [4, 4]), (17, 2, [9, 8]), (70, 2, [12, 12, 12, 12, 12, 10]), (40, 1, [14, 14, 12])],
)
def test_windows_are_shared_out_so_that_every_core_has_as_much_to_do(
    monkeypatch, num_windows, num_cores, sizes
) -> None:
    scorer = TorchScorer(random_classifier(), THRESHOLDS)
    found: list[int] = []
    whole = scorer._posteriors

    def counted(windows: Tensor) -> Tensor:
        found.append(len(windows))
        return whole(windows)

    monkeypatch.setattr(scorer, "_posteriors", counted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: num_cores)
    assert scorer.score(noise_windows(num_windows).numpy()).shape == (num_windows, 4)
    assert sorted(found, reverse=True) == sizes


@needs_packaged_weights
def test_tiny_en_scores_a_window_alone_as_in_a_batch(tiny_en: SpeechEncoder) -> None:
    torch.manual_seed(0)
    classifier = KeywordClassifier(tiny_en, LabelSet(("yes", "no"), ("cat",)), 16_000, num_segments=3)
    classifier.head.fit_standardisation(classifier.embed(noise_windows(8, seed=1)).detach())
    scorer = TorchScorer(classifier, THRESHOLDS)
    windows = noise_windows(9).numpy()
    alone = np.concatenate([scorer.score(window[None]) for window in windows])
    assert np.abs(scorer.score(windows) - alone).max() < 1e-4


def test_the_scorer_is_what_streams_ask() -> None:
    scorer: Scorer = TorchScorer(random_classifier(), THRESHOLDS)
    assert scorer.labels == LabelSet(("yes", "no"), ("cat", "dog"))
    assert scorer.thresholds == THRESHOLDS
    assert scorer.window_samples == 16_000
    posteriors = scorer.score(noise_windows(3).numpy())
    assert posteriors.dtype == np.float32
    assert posteriors.shape == (3, 4)
    assert np.allclose(posteriors.sum(axis=1), 1.0, atol=1e-6)


def test_scoring_no_window_gives_no_posterior() -> None:
    scorer = TorchScorer(random_classifier(), THRESHOLDS)
    assert scorer.score(np.zeros((0, 16_000), dtype=np.float32)).shape == (0, 4)


@pytest.mark.parametrize("shape", [(16_000,), (1, 15_999), (1, 16_000, 1)])
def test_windows_of_another_length_are_refused(shape: tuple[int, ...]) -> None:
    scorer = TorchScorer(random_classifier(), THRESHOLDS)
    with pytest.raises(UnsupportedAudioError, match=r"this model takes \[any, 16000\]"):
        scorer.score(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("thresholds", [{}, {"yes": 0.5}, {"yes": 0.5, "no": 0.5, "maybe": 0.5}])
def test_thresholds_and_keywords_must_be_the_same_words(thresholds: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="thresholds and keywords differ"):
        TorchScorer(random_classifier(), thresholds)


def test_scoring_in_the_middle_of_training_is_not_random() -> None:
    classifier = random_classifier("wav2vec2")
    scorer = TorchScorer(classifier, THRESHOLDS)
    windows = noise_windows(2).numpy()
    before = scorer.score(windows)
    classifier.train()
    assert np.array_equal(scorer.score(windows), before)


def test_windows_that_cannot_be_written_to_are_scored_and_left_alone() -> None:
    windows = noise_windows(2).numpy()
    windows.flags.writeable = False
    TorchScorer(random_classifier(), THRESHOLDS).score(windows)


@every_family
def test_weights_kept_as_halves_change_nothing_where_products_are_halved(family: str) -> None:
    classifier = random_classifier(family)
    windows = noise_windows(5)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        made_anew = classifier.embed(windows)
        halve_weights(classifier.encoder)
        kept = classifier.embed(windows)
    assert torch.equal(made_anew, kept)


@every_family
@pytest.mark.usefixtures("has_halves")
def test_halves_score_nearly_alike_and_still_add_up_to_one(family: str) -> None:
    windows = noise_windows(40).numpy()
    whole = TorchScorer(random_classifier(family), THRESHOLDS).score(windows)
    halved = TorchScorer(random_classifier(family), THRESHOLDS, "bf16").score(windows)
    assert 0.0 < np.abs(halved - whole).max() < 0.05
    assert np.abs(halved.sum(axis=1) - 1.0).max() < 1e-5


@needs_packaged_weights
@pytest.mark.usefixtures("has_halves")
def test_the_encoder_is_halved_and_the_head_stays_whole(tiny_en: SpeechEncoder) -> None:
    torch.manual_seed(0)
    classifier = KeywordClassifier(copy.deepcopy(tiny_en), LabelSet(("yes", "no")), 16_000, num_segments=3)
    classifier.head.fit_standardisation(classifier.embed(noise_windows(8, seed=1)).detach())
    windows = noise_windows(20).numpy()
    whole = TorchScorer(classifier, THRESHOLDS).score(windows)
    halved = TorchScorer(classifier, THRESHOLDS, "bf16").score(windows)
    assert {parameter.dtype for parameter in classifier.head.parameters()} == {torch.float32}
    assert 0.0 < np.abs(halved - whole).max() < 0.1


def test_a_machine_without_the_instructions_refuses_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    classifier = random_classifier()
    with pytest.raises(ConfigError, match="bf16: this cpu has no instructions for it; use fp32"):
        TorchScorer(classifier, THRESHOLDS, "bf16")
    assert {parameter.dtype for parameter in classifier.parameters()} == {torch.float32}


class _Posteriors(nn.Module):
    def __init__(self, classifier: KeywordClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, windows: Tensor) -> Tensor:
        return self.classifier.posteriors(windows)


def _on_a_gpu(module: nn.Module, windows: Tensor) -> Tensor:
    """`module` of `windows` as a GPU would compute it, without one: shapes, types and devices, but no values.

    What would mix memory of two devices, or would have the processor wait for a value, raises.
    """
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    forms = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    with FakeTensorMode(), torch.inference_mode():
        state = {name: torch.empty(shape, dtype=kind, device="cuda") for name, (shape, kind) in forms.items()}
        answer: Tensor = functional_call(module, state, torch.empty(windows.shape, device="cuda"))
    return answer


@pytest.mark.parametrize(("family", "uses_decoder"), [*((family, False) for family in FAMILIES), ("whisper", True)])
def test_posteriors_are_computed_on_a_gpu_from_end_to_end(family: str, uses_decoder: bool) -> None:
    encoder = random_encoder(family, decoder=uses_decoder)
    classifier = KeywordClassifier(encoder, LabelSet(("yes", "no")), 16_000, layers=(1, -1), uses_decoder=uses_decoder)
    posteriors = _on_a_gpu(_Posteriors(classifier.eval()), noise_windows(3))
    assert (posteriors.device.type, posteriors.shape, posteriors.dtype) == ("cuda", (3, 4), torch.float32)


def test_what_leaves_the_gpu_on_its_way_is_found() -> None:
    class Mixes(nn.Module):
        def forward(self, windows: Tensor) -> Tensor:
            return windows + torch.ones(windows.shape)

    class Waits(nn.Module):
        def forward(self, windows: Tensor) -> Tensor:
            return windows / windows.max().item()

    with pytest.raises(RuntimeError, match="Device Propagation"):
        _on_a_gpu(Mixes(), noise_windows(1))
    with pytest.raises(DataDependentOutputException):
        _on_a_gpu(Waits(), noise_windows(1))
