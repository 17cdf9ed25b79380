"""Which way of tuning suits the data, said aloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from speechtune.data.sets.clips import Clip
from speechtune.labels import LabelSet
from speechtune.recipe import TuneSettings
from speechtune.training.tuning.tunings import Tuning

FEWEST_CLIPS_TO_TUNE = 3
"""Of a keyword, on average; below that the head alone did as well (benchmarks/few_shot.py)."""

CLIPS_TO_HOLD_OUT_FROM = 500
"""Keyword clips from which on a fifth can be spared to tell when to stop."""


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


def share_to_hold_out(settings: TuneSettings, clips: Sequence[Clip], labels: LabelSet) -> float:
    """Which share of the speakers and negative words judges when to stop; 0: none."""
    if settings.hold_out is not None:
        return settings.hold_out
    num_keyword_clips = sum(clip.label in labels.keywords for clip in clips)
    return 0.2 if num_keyword_clips >= CLIPS_TO_HOLD_OUT_FROM else 0.0
