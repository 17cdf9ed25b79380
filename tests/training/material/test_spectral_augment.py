"""Spectrograms varied: what moves where, and what stays."""

from __future__ import annotations

import numpy as np
import torch

from speechtune.models.encoders.features import LogMel
from speechtune.recipe import AugmentSettings
from speechtune.training.material.spectral_augment import vary_log_mel

NOTHING = AugmentSettings(tempo=0.0, vocal_tract=0.0, equaliser_db=0.0, mask_probability=0.0)


def tone_features(hz: float) -> torch.Tensor:
    time = torch.arange(16_000) / 16_000
    burst = torch.sin(2 * torch.pi * hz * time) * ((time > 0.3) & (time < 0.5))
    features: torch.Tensor = LogMel()(burst[None])
    return features


def generators(num: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng((seed, row)) for row in range(num)]


def test_with_every_range_at_zero_nothing_changes() -> None:
    features = tone_features(700.0)
    assert torch.allclose(vary_log_mel(features, NOTHING, generators(1)), features, atol=1e-5)


def test_the_input_is_not_changed() -> None:
    features = tone_features(700.0)
    before = features.clone()
    vary_log_mel(features, AugmentSettings(mask_probability=1.0), generators(1))
    assert torch.equal(features, before)


def test_a_longer_vocal_tract_moves_a_tone_by_its_share_of_the_frequency() -> None:
    features = tone_features(1_000.0).expand(40, -1, -1)
    settings = NOTHING.model_copy(update={"vocal_tract": 0.2})
    varied = vary_log_mel(features, settings, generators(40))
    peaks = varied.amax(dim=2).argmax(dim=1)
    factors = np.array([[rng.uniform(1, 1), rng.uniform(0.8, 1.2)][1] for rng in generators(40)])
    # Reading the spectrum at f * a finds a tone of 1000 Hz at f = 1000 / a; bins are 2595 / 80 mel apart at most.
    expected = np.array([int(tone_features(1_000.0 / a).amax(dim=2).argmax()) for a in factors])
    assert np.abs(peaks.numpy() - expected).max() <= 1


def test_tempo_moves_sound_about_the_middle_and_keeps_its_pitch() -> None:
    features = tone_features(1_000.0).expand(30, -1, -1)
    varied = vary_log_mel(features, NOTHING.model_copy(update={"tempo": 0.3}), generators(30))
    assert set(varied.amax(dim=2).argmax(dim=1).tolist()) == {int(features[0].amax(dim=1).argmax())}
    centre = (varied.amax(dim=1) > varied.amax(dim=(1, 2))[:, None] - 0.5).float()
    lengths = centre.sum(dim=1)
    assert lengths.min() < 20 < lengths.max()


def test_masks_hide_at_most_their_share_of_bins_and_frames() -> None:
    features = torch.rand(50, 80, 100, generator=torch.Generator().manual_seed(0))
    settings = NOTHING.model_copy(update={"mask_probability": 1.0, "mask_share": 0.1})
    varied = vary_log_mel(features, settings, generators(50))
    changed = (varied - features).abs() > 1e-5
    assert changed.float().mean(dim=2).gt(0.85).sum(dim=1).max() <= 8
    assert changed.float().mean(dim=1).gt(0.85).sum(dim=1).max() <= 10
    assert (changed.any(dim=2).sum(dim=1) >= 1).all()


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    features = torch.rand(6, 80, 100, generator=torch.Generator().manual_seed(0))
    settings = AugmentSettings()
    together = vary_log_mel(features, settings, generators(6))
    alone = torch.cat([vary_log_mel(features[row : row + 1], settings, [generators(6)[row]]) for row in range(6)])
    assert torch.allclose(together, alone, atol=1e-6)
