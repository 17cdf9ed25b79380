"""More clips than memory: what is read again and what lies in a file is the same as what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from speechtune.data.sets.loading import load_clips
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.encoders.loading import load_encoder
from speechtune.recipe import AugmentSettings, Recipe
from speechtune.training.material import clip_audio, embedding_cache
from speechtune.training.material.clip_audio import ClipAudio
from speechtune.training.material.embedding_cache import embed_clips, num_copies
from speechtune.training.stages import silent
from tests.support.clips import make_folder
from tests.support.encoders import save_random_model
from tests.support.training import training_set


def test_clips_beyond_the_budget_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = load_clips(make_folder(tmp_path / "data", {"yes": 4})).clips
    kept = ClipAudio(clips, silent)
    monkeypatch.setattr(clip_audio, "_KEPT_BYTES", 2 * kept[0].nbytes)
    read = ClipAudio(clips, silent)
    assert len(read) == 4
    assert all(np.array_equal(one, other) for one, other in zip(kept, read, strict=True))
    assert read[0] is read[0]
    assert read[3] is not read[3]
    assert len(read[1:3]) == 2
    with pytest.raises(IndexError):
        read[4]


def test_embeddings_in_a_file_are_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_random_model("whisper", tmp_path / "encoder")
    classifier = KeywordClassifier(load_encoder(str(tmp_path / "encoder")), LabelSet(("yes", "no")), 16_000)
    samples = ClipAudio(load_clips(make_folder(tmp_path / "data", {"yes": 2, "no": 2})).clips, silent)
    recipe = Recipe(augment=AugmentSettings(copies=2))
    read = training_set(classifier.labels, ("no", "no", "yes", "yes"), samples)
    kept = embed_clips(classifier, read, recipe, silent)
    monkeypatch.setattr(embedding_cache, "_KEPT_BYTES", 0)
    in_file = embed_clips(classifier, read, recipe, silent, tmp_path)
    assert torch.equal(kept.embeddings, in_file.embeddings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "encoder"]


def test_many_clips_are_copied_less_often_but_once() -> None:
    settings = AugmentSettings(copies=8)
    assert [num_copies(clips, settings) for clips in (1, 300, 10_000, 50_000)] == [8, 8, 4, 1]
    assert num_copies(300, AugmentSettings(copies=0)) == 0
