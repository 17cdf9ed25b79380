"""The ways of tuning an encoder: one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import TuneSettings
from speechtune.training.method import Tuning
from speechtune.training.tuning.low_rank import add_corrections, merge_corrections

_LORA_MARK = "lora_"


@dataclass(frozen=True)
class TuningMethod:
    """One way of tuning.

    Attributes:
        depth: how many layers it tunes, counted from the last one of those that are used, given their number.
        tunes: whether it changes the weight of that name inside a layer.
        tunes_final_norm: whether it changes the norm after the last layer.
        prepare: puts into the encoder what is tuned.
        finish: brings the encoder back to its plain form, with what was learnt, also where tuning failed.
    """

    depth: Callable[[TuneSettings, int], int]
    tunes: Callable[[str], bool]
    tunes_final_norm: bool
    prepare: Callable[[KeywordClassifier, TuneSettings], None]
    finish: Callable[[KeywordClassifier], None]


def _every_layer(settings: TuneSettings, num_used: int) -> int:  # noqa: ARG001
    return num_used


def _top_layers(settings: TuneSettings, num_used: int) -> int:  # noqa: ARG001
    return settings.top_layers


def _every_weight(name: str) -> bool:  # noqa: ARG001
    return True


def _correction(name: str) -> bool:
    return _LORA_MARK in name


def _nothing_to_prepare(classifier: KeywordClassifier, settings: TuneSettings) -> None:
    """The weights are tuned as they are."""


def _nothing_to_finish(classifier: KeywordClassifier) -> None:
    """The weights are those of the plain form."""


TUNINGS: dict[Tuning, TuningMethod] = {
    "lora": TuningMethod(_every_layer, _correction, False, add_corrections, merge_corrections),
    "top": TuningMethod(_top_layers, _every_weight, True, _nothing_to_prepare, _nothing_to_finish),
    "full": TuningMethod(_every_layer, _every_weight, True, _nothing_to_prepare, _nothing_to_finish),
}
