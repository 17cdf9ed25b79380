"""Training sets that tests make up, without any file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.data.sets.clips import Clip
from speechtune.labels import LabelSet
from speechtune.training.material.training_set import TrainingSet
from tests.support.clips import named_clip


def training_set(
    labels: LabelSet, clips: Sequence[Clip | str], samples: Sequence[NDArray[np.float32]] = ()
) -> TrainingSet:
    """The training set of these clips, or of one clip for each label that is named; without background noises."""
    named = tuple(named_clip(number, clip) if isinstance(clip, str) else clip for number, clip in enumerate(clips))
    return TrainingSet(labels, named, samples, [], {}, (), "identity")
