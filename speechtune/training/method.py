"""Which way of tuning suits the data, said aloud, and whether it can run here, before hours of work lead to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import torch

from speechtune.data.sets.clips import Clip
from speechtune.errors import ConfigError
from speechtune.labels import LabelSet
from speechtune.recipe import TuneSettings

Tuning = Literal["lora", "top", "full"]
"""A way of tuning the encoder, `tuning.tunings` has a row for each. `head`, which leaves it as it is, is none."""

FEWEST_CLIPS_TO_TUNE = 3
"""Of a keyword, on average; below that the head alone did as well (benchmarks/few_shot.py)."""


@dataclass(frozen=True)
class Method:
    """What will be done.

    Attributes:
        tuning: how the encoder is tuned; None: it stays as it is.
        reason: why, where the choice was left to us.
    """

    tuning: Tuning | None
    reason: str | None = None


def choose_method(settings: TuneSettings, clips: Sequence[Clip], labels: LabelSet) -> Method:
    """The method that was asked for, or for `auto` the one that measured best for so much data."""
    if settings.method == "head":
        return Method(None)
    if settings.method != "auto":
        return Method(settings.method)
    counts = Counter(clip.label for clip in clips)
    average = sum(counts[keyword] for keyword in labels.keywords) / len(labels.keywords)
    if average < FEWEST_CLIPS_TO_TUNE:
        return Method(None, f"method head: {average:g} clips a keyword say too little to move the encoder by")
    return Method(
        "full",
        f"method full: {average:g} clips a keyword; all layers tuned and averaged with the pretrained ones measured "
        "better than the head alone from 3 clips on, for seven to eight times the work (--method head is quick)",
    )


def check_tuning(settings: TuneSettings, device: torch.device) -> None:
    """See that the encoder phase can run here.

    Raises:
        ConfigError: float16 without a GPU, or a tracker that is not installed.
    """
    if settings.precision == "float16" and device.type == "cpu":
        raise ConfigError("tune.precision: float16 needs a GPU; use bfloat16, float32 or auto")
    if settings.tracker != "none" and not _is_installed(settings.tracker):
        raise ConfigError(f"tune.tracker: {settings.tracker} is not installed; pip install {settings.tracker}")


def _is_installed(package: str) -> bool:
    # A folder of an earlier run's logs, such as `wandb`, looks like a package without an origin.
    spec = find_spec(package)
    return spec is not None and spec.origin is not None
