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

    Else noise or a pop has moved that window, and the posteriors are those of the window of the surest detection. A low
    threshold detects what is the best label of neither: then the clip as a whole counts if it is its best keyword.

    Args:
        whole: float32[K] of the clip as a whole.
        detections: found in the clip by a session.
        journal: of that session.
        labels: the labels, in the order of the posteriors.
    """
    detected = {detection.label for detection in detections}
    if not detected or labels.labels[int(whole.argmax())] in detected:
        return whole
    column = labels.index(max(detections, key=lambda detection: detection.confidence).label)
    posteriors_of_all = [step.posteriors for step in journal if isinstance(step, WindowScored)]
    scored = [posteriors for posteriors in posteriors_of_all if posteriors is not None]
    window = max(scored, key=lambda posteriors: float(posteriors[column]), default=whole)
    best_keyword = int(whole[: len(labels.keywords)].argmax())
    return whole if int(window.argmax()) != column and labels.keywords[best_keyword] in detected else window
