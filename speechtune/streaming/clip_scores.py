"""The posteriors of a clip as a whole, which never say another word than its own detections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.labels import LabelSet
from speechtune.streaming.decision import Step, WindowScored
from speechtune.streaming.events import Detection


def clip_posteriors(
    whole: NDArray[np.float32], detections: Sequence[Detection], journal: Sequence[Step], labels: LabelSet
) -> NDArray[np.float32]:
    """float32[K] of a clip: of the clip as a whole, placed by its energy, if a detection agrees with its best label.

    Else noise or a pop has moved that window, and the posteriors are those of the window of the surest detection.

    Args:
        whole: float32[K] of the clip as a whole.
        detections: found in the clip by a session.
        journal: of that session.
        labels: the labels, in the order of the posteriors.
    """
    if not detections or labels.labels[int(whole.argmax())] in {detection.label for detection in detections}:
        return whole
    surest = max(detections, key=lambda detection: detection.confidence)
    column = labels.index(surest.label)
    posteriors_of_all = [step.posteriors for step in journal if isinstance(step, WindowScored)]
    scored = [posteriors for posteriors in posteriors_of_all if posteriors is not None]
    window = max(scored, key=lambda posteriors: float(posteriors[column]), default=whole)
    # A low threshold detects what is not the best label: then both windows say the same.
    return window if int(window.argmax()) == column else whole
