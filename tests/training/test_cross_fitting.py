"""Who judges where every clip is held out in turn."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from speechtune.data.clips import Clip
from speechtune.labels import LabelSet
from speechtune.models.head import KeywordHead
from speechtune.recipe import Recipe
from speechtune.training import cross_fitting
from speechtune.training.cross_fitting import cross_fit
from speechtune.training.embedding_cache import EmbeddedClips
from speechtune.training.stages import silent
from tests.support.clips import named_clip

LABELS = LabelSet(("yes", "no"), ("cat", "dog", "house"))


def clips_of(num_recorded: int, num_synthetic: int) -> list[Clip]:
    recorded = [named_clip(n, label, f"person{n}") for label in LABELS.classes[:5] for n in range(num_recorded)]
    made = [
        Clip(clip.path, clip.label, speaker=f"voice{n}", synthetic=True)
        for label in LABELS.classes[:5]
        for n, clip in enumerate(named_clip(100 + n, label) for n in range(num_synthetic))
    ]
    return recorded + made


def embedded(clips: list[Clip]) -> EmbeddedClips:
    """Each label has a direction of its own."""
    targets = [LABELS.classes.index(clip.label) for clip in clips]
    rng = np.random.default_rng(0)
    silence = len(LABELS.classes) - 1
    rows = np.eye(6)[[*targets, silence, silence]] + 0.1 * rng.standard_normal((len(clips) + 2, 6))
    return EmbeddedClips(
        torch.from_numpy(rows.astype(np.float32)),
        torch.tensor([*targets, silence, silence]),
        np.arange(len(clips) + 2),
        np.ones(len(clips) + 2, dtype=bool),
    )


def test_synthetic_clips_are_not_among_those_that_thresholds_are_chosen_on() -> None:
    clips = clips_of(4, 3)
    assert all(not clip.synthetic for clip in clips[:20])
    held_out = cross_fit(KeywordHead((6,), 6), embedded(clips), clips, LABELS, Recipe(), silent)
    assert {int(name) for name in held_out.predictions.clip_ids} == set(range(20))
    assert not any("synthetic" in note for note in held_out.notes)


def test_the_temperature_is_fitted_on_recorded_clips_and_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    def spy(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        seen.append(sorted(targets.tolist()))
        return 1.0

    monkeypatch.setattr(cross_fitting, "fit_temperature", spy)
    clips = clips_of(4, 3)
    cross_fit(KeywordHead((6,), 6), embedded(clips), clips, LABELS, Recipe(), silent)
    assert seen == [[number for number in range(5) for _ in range(4)] + [5] * 2]


def test_of_synthetic_clips_alone_all_judge_and_it_is_said() -> None:
    clips = clips_of(0, 4)
    held_out = cross_fit(KeywordHead((6,), 6), embedded(clips), clips, LABELS, Recipe(), silent)
    assert len(held_out.predictions) == 20
    assert any("every keyword clip is synthetic" in note for note in held_out.notes)
