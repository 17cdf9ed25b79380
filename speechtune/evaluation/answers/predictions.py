"""What a system answered on labelled clips: the one thing that every metric of clips is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ManifestError
from speechtune.labels import LabelSet

_ROUNDING = 1e-5  # classes that add up to a label in float32 may pass 1 by a little


@dataclass(frozen=True, eq=False)
class Predictions:
    """Posteriors of N clips beside what was really said, and what is known about each recording.

    Attributes:
        labels: the K labels of the posteriors' columns; its `negatives` are the words the model was shown as negatives.
        posteriors: float32[N, K], each value 0 to 1; rows of a calibrated model sum to 1, other systems' need not.
        words: what was said in each clip, as the data gave it: a keyword, another word, `_unknown_` or `_silence_`.
        clip_ids: N distinct names, by which two systems' answers are paired.
        negatives_known: whether `labels.negatives` tells all such words; where it does not, no word is known to be new.
        speakers, devices, sessions, rooms: who, on what, in which recording session and where; None where unknown.

    Raises:
        ManifestError: the parts differ in length, a clip is named twice, or a posterior is not within 0 and 1.
    """

    labels: LabelSet
    posteriors: NDArray[np.float32]
    words: tuple[str, ...]
    clip_ids: tuple[str, ...]
    speakers: tuple[str | None, ...] = ()
    devices: tuple[str | None, ...] = ()
    sessions: tuple[str | None, ...] = ()
    rooms: tuple[str | None, ...] = ()
    negatives_known: bool = True

    def __post_init__(self) -> None:
        num_clips = len(self.words)
        expected = (num_clips, len(self.labels.labels))
        posteriors = np.array(self.posteriors, dtype=np.float32)
        if posteriors.shape != expected:
            raise ManifestError(f"predictions: posteriors have the shape {posteriors.shape}, expected {expected}")
        if len(self.clip_ids) != num_clips:
            raise ManifestError(f"predictions: {len(self.clip_ids)} clip ids for {num_clips} clips")
        _check_distinct(self.clip_ids)
        wrong = ~((posteriors >= 0.0) & (posteriors <= 1.0 + _ROUNDING)).all(axis=1)
        if wrong.any():
            clip = self.clip_ids[int(wrong.argmax())]
            raise ManifestError(f"predictions: clip {clip!r} has a posterior that is not within 0 and 1")
        np.minimum(posteriors, 1.0, out=posteriors)
        posteriors.setflags(write=False)
        object.__setattr__(self, "posteriors", posteriors)
        for name in ("speakers", "devices", "sessions", "rooms"):
            values = getattr(self, name) or (None,) * num_clips
            if len(values) != num_clips:
                raise ManifestError(f"predictions: {len(values)} {name} for {num_clips} clips")
            object.__setattr__(self, name, tuple(values))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """int64[N]: the index among `labels.labels` of what was said; other words are `_unknown_`."""
        index = {label: position for position, label in enumerate(self.labels.labels)}
        return np.array([index[self.labels.label_for(word)] for word in self.words], dtype=np.int64)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """int64[N]: the index of the label with the greatest posterior; the first of equals."""
        predicted: NDArray[np.int64] = self.posteriors.argmax(axis=1)
        return predicted

    @cached_property
    def best_keyword(self) -> NDArray[np.int64]:
        """int64[N]: the index of the keyword with the greatest posterior, whatever `_unknown_` and `_silence_` have."""
        best: NDArray[np.int64] = self._of_keywords.argmax(axis=1)
        return best

    @cached_property
    def keyword_score(self) -> NDArray[np.float32]:
        """float32[N]: the posterior of the best keyword, which a threshold is held against."""
        score: NDArray[np.float32] = self._of_keywords.max(axis=1)
        return score

    @property
    def is_keyword(self) -> NDArray[np.bool_]:
        """bool[N]: a keyword was said."""
        return self.truth < len(self.labels.keywords)

    @property
    def is_unknown(self) -> NDArray[np.bool_]:
        """bool[N]: a word that is not a keyword was said."""
        return np.equal(self.truth, self.labels.unknown_index)

    @property
    def _of_keywords(self) -> NDArray[np.float32]:
        return self.posteriors[:, : len(self.labels.keywords)]

    def take(self, indices: NDArray[np.int64] | Sequence[int]) -> Predictions:
        """The clips at `indices`, in that order.

        Raises:
            ManifestError: an index stands twice.
        """
        rows = np.asarray(indices, dtype=np.int64)

        def pick(values: tuple[str | None, ...]) -> tuple[str | None, ...]:
            return tuple(values[row] for row in rows)

        return Predictions(
            labels=self.labels,
            posteriors=self.posteriors[rows],
            words=tuple(self.words[row] for row in rows),
            clip_ids=tuple(self.clip_ids[row] for row in rows),
            speakers=pick(self.speakers),
            devices=pick(self.devices),
            sessions=pick(self.sessions),
            rooms=pick(self.rooms),
            negatives_known=self.negatives_known,
        )


def _check_distinct(clip_ids: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for clip_id in clip_ids:
        if clip_id in seen:
            raise ManifestError(f"predictions: clip {clip_id!r} stands twice; give each clip one line")
        seen.add(clip_id)
