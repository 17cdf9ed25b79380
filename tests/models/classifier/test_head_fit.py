"""A head's fit: an optimum that an independent solver finds too, and that does not depend on luck."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from speechtune.errors import TrainingDivergedError
from speechtune.models.classifier.block_fit import Prior
from speechtune.models.classifier.head import KeywordHead
from speechtune.models.classifier.labelled_rows import LabelledRows
from speechtune.recipe import HeadSettings


def blobs(num_per_class: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Three overlapping clouds in six dimensions."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(3).repeat_interleave(num_per_class)
    centres = torch.randn(3, 6, generator=generator)
    return centres[targets] + torch.randn(len(targets), 6, generator=generator), targets


def fit(
    head: KeywordHead,
    embeddings: torch.Tensor,
    targets: torch.Tensor,
    settings: HeadSettings,
    rows: torch.Tensor | None = None,
    prior: Prior | None = None,
) -> None:
    head.fit(LabelledRows.balanced(embeddings, targets, settings.class_balance, rows), settings, prior)


def test_a_single_block_agrees_with_scikit_learn() -> None:
    embeddings, targets = blobs()
    settings = HeadSettings(l2=0.05, class_balance=0.0, max_iterations=500)
    head = KeywordHead((6,), 3)
    fit(head, embeddings, targets, settings)
    inputs = head.standardise(embeddings).numpy()
    # scikit-learn adds the losses up and halves the penalty: C = 1 / (l2 * N).
    reference = LogisticRegression(C=1.0 / (settings.l2 * len(targets)), tol=1e-8, max_iter=2_000)
    reference.fit(inputs, targets.numpy())
    with torch.no_grad():
        ours = torch.softmax(head(embeddings), dim=1).numpy()
    assert np.abs(ours - reference.predict_proba(inputs)).max() < 2e-3


def test_blocks_are_trained_apart() -> None:
    embeddings, targets = blobs()
    both, first = KeywordHead((2, 4), 3), KeywordHead((2,), 3)
    fit(both, embeddings, targets, HeadSettings())
    fit(first, embeddings[:, :2], targets, HeadSettings())
    assert torch.allclose(both.linears[0].weight, first.linears[0].weight, atol=1e-5)


def test_training_twice_gives_the_same_weights() -> None:
    embeddings, targets = blobs()
    heads = [KeywordHead((6,), 3), KeywordHead((6,), 3)]  # their random beginnings differ
    for head in heads:
        fit(head, embeddings, targets, HeadSettings())
    assert torch.equal(heads[0].linears[0].weight, heads[1].linears[0].weight)


def test_a_stronger_penalty_gives_smaller_weights() -> None:
    embeddings, targets = blobs()
    sizes = []
    for l2 in (0.01, 0.1, 1.0):
        head = KeywordHead((6,), 3)
        fit(head, embeddings, targets, HeadSettings(l2=l2))
        sizes.append(float(head.linears[0].weight.detach().norm()))
    assert sizes[0] > sizes[1] > sizes[2]


def test_class_balance_lifts_the_rare_class() -> None:
    embeddings, targets = blobs(100)
    kept = torch.cat([torch.arange(200), torch.arange(200, 206)])
    shares = []
    for balance in (0.0, 1.0):
        head = KeywordHead((6,), 3)
        fit(head, embeddings[kept], targets[kept], HeadSettings(class_balance=balance, l2=0.01))
        with torch.no_grad():
            shares.append(float((head(embeddings[200:]).argmax(dim=1) == 2).float().mean()))
    assert shares[1] > shares[0]


def test_weights_that_do_not_stay_finite_are_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, targets = blobs()
    # An exploding loss, as an overflow in half precision would give.
    monkeypatch.setattr(
        "speechtune.models.classifier.block_fit.cross_entropy",
        lambda logits, *_, **__: logits.sum(dim=1) * float("nan"),
    )
    with pytest.raises(TrainingDivergedError, match=r"head\.l2"):
        fit(KeywordHead((6,), 3), embeddings, targets, HeadSettings())


def test_rows_read_in_pieces_give_the_same_head(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, targets = blobs()
    rows = torch.arange(0, len(targets), 2)
    whole, pieces = KeywordHead((2, 4), 3), KeywordHead((2, 4), 3)
    fit(whole, embeddings[rows], targets[rows], HeadSettings())
    monkeypatch.setattr("speechtune.models.classifier.labelled_rows.PIECE_ROWS", 7)
    monkeypatch.setattr("speechtune.models.classifier.block_fit._KEPT_BYTES", 0)
    fit(pieces, embeddings, targets, HeadSettings(), rows)
    for one, other in zip(whole.state_dict().values(), pieces.state_dict().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def prior_of(directions: torch.Tensor, share: float = 1.0, groups: tuple[int, ...] = (0, 0, 0)) -> Prior:
    return Prior(directions, torch.tensor(groups), share)


def trained(rows: torch.Tensor, targets: torch.Tensor, prior: Prior | None, l2: float = 0.1) -> KeywordHead:
    head = KeywordHead((6,), 3)
    fit(head, rows, targets, HeadSettings(l2=l2, max_iterations=500), prior=prior)
    return head


def test_what_is_known_beforehand_is_kept_where_clips_may_not_change_it() -> None:
    embeddings, targets = blobs()
    centres = torch.stack([embeddings[targets == label].mean(dim=0) for label in range(3)])
    whole, half = (trained(embeddings, targets, prior_of(centres, share), l2=1e3) for share in (1.0, 0.5))
    directions = centres * whole.scale
    scales = whole.linears[0].weight / directions
    assert torch.allclose(scales, scales.mean().expand_as(scales), rtol=1e-2)
    assert scales.detach().min() > 0.0
    assert torch.allclose(half.linears[0].weight, whole.linears[0].weight / 2, rtol=1e-2)


def test_a_right_prior_helps_where_there_is_one_clip_of_each() -> None:
    embeddings, targets = blobs(num_per_class=200, seed=4)
    centres = torch.stack([embeddings[targets == label].mean(dim=0) for label in range(3)])
    one_each = torch.tensor([0, 200, 400])

    def accuracy(prior: Prior | None) -> float:
        head = trained(embeddings[one_each], targets[one_each], prior)
        return float((head(embeddings).argmax(dim=1) == targets).float().mean())

    assert accuracy(prior_of(centres - centres.mean(dim=0))) > accuracy(None) + 0.02


def test_a_prior_that_the_clips_speak_against_is_left_out() -> None:
    embeddings, targets = blobs()
    centres = torch.stack([embeddings[targets == label].mean(dim=0) for label in range(3)])
    misled, plain = trained(embeddings, targets, prior_of(-centres)), trained(embeddings, targets, None)
    assert torch.allclose(misled.linears[0].weight, plain.linears[0].weight, atol=5e-3)


def test_groups_of_classes_are_believed_apart() -> None:
    embeddings, targets = blobs()
    centres = torch.stack([embeddings[targets == label].mean(dim=0) for label in range(3)])
    signs = torch.tensor([1.0, 1.0, -1.0])[:, None]
    head = trained(embeddings, targets, prior_of(centres * signs, groups=(0, 0, 1)), l2=1e3)
    sizes = head.linears[0].weight.detach().norm(dim=1)
    assert float(sizes[:2].min()) > 0.05
    assert float(sizes[2]) < 1e-3


def test_only_the_last_block_has_a_prior() -> None:
    embeddings, targets = blobs()
    with_prior, without = KeywordHead((2, 4), 3), KeywordHead((2, 4), 3)
    fit(with_prior, embeddings, targets, HeadSettings(), prior=prior_of(torch.ones(3, 4).cumsum(dim=0)))
    fit(without, embeddings, targets, HeadSettings())
    assert torch.equal(with_prior.linears[0].weight, without.linears[0].weight)


def test_a_class_without_clips_is_not_drawn_anywhere() -> None:
    embeddings, targets = blobs()
    centres = torch.stack([embeddings[targets == label].mean(dim=0) for label in range(3)])
    two = targets < 2
    head = trained(embeddings[two], targets[two], prior_of(centres), l2=1e3)
    sizes = head.linears[0].weight.detach().norm(dim=1)
    assert float(sizes[:2].min()) > 0.05
    assert float(sizes[2]) < 1e-3


def test_classes_in_another_order_answer_the_same() -> None:
    embeddings, targets = blobs()
    head = KeywordHead((2, 4), 3, [1.0, 2.5])
    fit(head, embeddings, targets, HeadSettings())
    head.set_temperature(1.5)
    turned = head.with_classes([2, 0, 1])
    assert torch.equal(turned(embeddings), head(embeddings)[:, [2, 0, 1]])
    assert float(turned.temperature) == 1.5


def test_the_last_block_can_be_given_another_weight() -> None:
    embeddings, targets = blobs()
    head, weighed = (KeywordHead((2, 4), 3, [1.0, weight]) for weight in (1.0, 2.0))
    for one in (head, weighed):
        fit(one, embeddings, targets, HeadSettings())
    head.weigh_last_block(2.0)
    assert torch.equal(head(embeddings), weighed(embeddings))
