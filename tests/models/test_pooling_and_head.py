"""Frames to embeddings to logits."""

from __future__ import annotations

import pytest
import torch

from speechtune.errors import ConfigError
from speechtune.models.classifier.head import KeywordHead
from speechtune.models.classifier.pooling import SegmentStatsPooling


def test_mean_and_deviation_are_those_over_time() -> None:
    frames = torch.randn(2, 50, 4)
    pooled = SegmentStatsPooling(1)(frames)
    assert pooled.shape == (2, 8)
    assert torch.allclose(pooled[:, :4], frames.mean(dim=1), atol=1e-6)
    assert torch.allclose(pooled[:, 4:], frames.std(dim=1, correction=0), atol=1e-4)


def test_segments_are_the_means_of_equal_parts_in_their_order() -> None:
    frames = torch.tensor([1.0, 1.0, 2.0, 2.0, 3.0, 3.0])[None, :, None]
    assert SegmentStatsPooling(3)(frames)[0, 2:].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("num_frames", [3, 49, 50, 51])
@pytest.mark.parametrize("num_segments", [2, 3])
def test_every_frame_falls_in_one_segment(num_frames: int, num_segments: int) -> None:
    frames = torch.eye(num_frames)[None]
    segments = SegmentStatsPooling(num_segments)(frames)[0, 2 * num_frames :].reshape(num_segments, num_frames)
    assert ((segments > 0).sum(dim=0) == 1).all()
    sizes = (segments > 0).sum(dim=1)
    assert sizes.max() - sizes.min() <= 1


def test_order_is_lost_with_one_segment_and_kept_with_two() -> None:
    frames = torch.randn(1, 10, 4)
    backwards = frames.flip(1)
    assert torch.allclose(SegmentStatsPooling(1)(frames), SegmentStatsPooling(1)(backwards), atol=1e-6)
    assert not torch.allclose(SegmentStatsPooling(2)(frames), SegmentStatsPooling(2)(backwards), atol=1e-2)


def test_frames_that_never_change_have_finite_gradients() -> None:
    frames = torch.ones(1, 5, 2, requires_grad=True)
    SegmentStatsPooling(2)(frames).sum().backward()
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()


def test_fewer_frames_than_segments_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 segments need as many frames; the window has 2"):
        SegmentStatsPooling(3)(torch.zeros(1, 2, 4))


def test_no_segment_is_refused() -> None:
    with pytest.raises(ConfigError, match="num_segments"):
        SegmentStatsPooling(0)


def test_the_head_standardises_by_what_it_was_fitted_to() -> None:
    embeddings = 5.0 + 3.0 * torch.randn(200, 6)
    head = KeywordHead((6,), 3)
    head.fit_standardisation(embeddings)
    standardised = head.standardise(embeddings)
    assert torch.allclose(standardised.mean(dim=0), torch.zeros(6), atol=1e-5)
    assert torch.allclose(standardised.std(dim=0, correction=0), torch.ones(6), atol=1e-5)
    assert torch.allclose(head(embeddings), torch.log_softmax(head.linears[0](standardised), dim=1))


def test_a_feature_that_never_varies_is_only_centred() -> None:
    head = KeywordHead((2,), 2)
    head.fit_standardisation(torch.tensor([[1.0, 7.0], [3.0, 7.0]]))
    assert head.standardise(torch.tensor([[2.0, 7.0]])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("embeddings", [torch.zeros(0, 2), torch.tensor([[1.0, float("nan")]])])
def test_standardisation_without_finite_embeddings_is_refused(embeddings: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match="finite"):
        KeywordHead((2,), 2).fit_standardisation(embeddings)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_no_positive_number_is_refused(temperature: float) -> None:
    with pytest.raises(ConfigError, match="temperature"):
        KeywordHead((2,), 2).set_temperature(temperature)


def test_everything_the_head_learnt_is_in_its_state() -> None:
    of_whole = {"mean", "scale", "block_weights", "temperature"}
    of_blocks = {f"linears.{block}.{part}" for block in (0, 1) for part in ("weight", "bias")}
    assert set(KeywordHead((2, 3), 2).state_dict()) == of_whole | of_blocks


def test_blocks_answer_apart_and_their_weighted_answers_are_multiplied() -> None:
    head = KeywordHead((2, 3), 4, (1.0, 2.0))
    embeddings = torch.randn(5, 5)
    first = torch.softmax(head.linears[0](embeddings[:, :2]), dim=1)
    second = torch.softmax(head.linears[1](embeddings[:, 2:]), dim=1)
    product = first * second**2
    expected = product / product.sum(dim=1, keepdim=True)
    assert torch.allclose(torch.softmax(head(embeddings), dim=1), expected, atol=1e-6)


@pytest.mark.parametrize(("sizes", "weights"), [((), None), ((2,), (1.0, 1.0)), ((2,), (0.0,)), ((2,), (-1.0,))])
def test_blocks_without_a_positive_weight_each_are_refused(
    sizes: tuple[int, ...], weights: tuple[float, ...] | None
) -> None:
    with pytest.raises(ConfigError, match="one positive each"):
        KeywordHead(sizes, 2, weights)
