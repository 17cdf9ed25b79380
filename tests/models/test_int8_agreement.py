"""Whether int8 decides as fp32 does: counted on windows, kept with the checkpoint, and believed only where it fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from speechtune.errors import CheckpointIncompatibleError
from speechtune.labels import LabelSet
from speechtune.models.export import compare_int8, export_onnx
from speechtune.models.int8_agreement import FACT, Int8Agreement, agreement_between, recorded_agreement
from speechtune.models.opened import open_model
from tests.support.encoders import FAMILIES, noise_windows, random_checkpoint


@dataclass
class Fixed:
    """Gives the posteriors that it was made with."""

    rows: list[list[float]]
    labels: LabelSet = field(default_factory=lambda: LabelSet(("low", "high"), ()))
    window_samples: int = 4

    @property
    def thresholds(self) -> dict[str, float]:
        return {"low": 0.5, "high": 0.8}

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(self.rows, np.float32)


def test_decisions_are_counted_at_the_thresholds_and_not_the_best_labels_alone() -> None:
    whole = [[0.9, 0.0, 0.1, 0.0], [0.3, 0.7, 0.0, 0.0], [0.1, 0.85, 0.05, 0.0], [0.49, 0.0, 0.51, 0.0]]
    small = [[0.6, 0.3, 0.1, 0.0], [0.6, 0.4, 0.0, 0.0], [0.1, 0.79, 0.11, 0.0], [0.4, 0.1, 0.5, 0.0]]
    found = agreement_between(Fixed(whole), Fixed(small), np.zeros((4, 4), np.float32))
    # The first is low to both and the last nothing; the second is nothing, then low; the third is high, then nothing.
    assert (found.num_windows, found.num_same) == (4, 2)
    assert found.largest_difference == pytest.approx(0.3, abs=1e-4)
    assert "2 of 4 windows" in str(found)


@pytest.mark.parametrize(
    ("num_windows", "num_same", "difference", "is_enough"),
    [(200, 200, 0.0, True), (200, 199, 0.1, True), (200, 198, 0.0, False), (15, 14, 0.0, False), (15, 15, 0.11, False)],
)
def test_one_window_in_two_hundred_may_differ_and_no_posterior_much(
    num_windows: int, num_same: int, difference: float, is_enough: bool
) -> None:
    found = Int8Agreement(num_windows=num_windows, num_same=num_same, largest_difference=difference)
    assert found.is_enough is is_enough
    assert recorded_agreement({FACT: found.model_dump()}) == found


@pytest.mark.parametrize(
    "fact",
    [None, "not known: no linear layers", {}, {"num_windows": 0, "num_same": 0, "largest_difference": 0.0}, [1], 3.0],
)
def test_what_makes_no_sense_in_a_checkpoint_says_nothing(fact: object) -> None:
    assert recorded_agreement({FACT: fact}) is None  # type: ignore[dict-item]
    assert recorded_agreement({}) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_is_compared_with_its_own_export(family: str, tmp_path: Path) -> None:
    checkpoint = random_checkpoint(family)
    windows = noise_windows(5).numpy()
    found = compare_int8(checkpoint, windows)
    report = export_onnx(checkpoint, tmp_path / "int8.onnx", int8=True)
    int8 = open_model(report.path).scorer
    assert found == agreement_between(checkpoint.scorer(), int8, windows)
    assert found.num_windows == 5
    assert 0.0 < found.largest_difference < 1.0


def test_what_cannot_be_made_int8_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechtune.models.export._FP32_MODULES", frozenset({""}))  # every name begins so
    with pytest.raises(CheckpointIncompatibleError, match="no linear layers"):
        compare_int8(random_checkpoint(), noise_windows(2).numpy())
