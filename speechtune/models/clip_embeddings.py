"""Hears which takes or clips sound alike, through a pretrained encoder.

Where a label has dozens of clips, the lower half of its layers tells them apart as well as all of them do, in half the
time. Where it has ten, the upper half and what the decoder is about to say find twice as many wrong labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from speechtune.audio.levels import active_range
from speechtune.audio.placement import place_by_energy
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.inspection.inspected_clip import InspectedClip
from speechtune.data.inspection.label_scores import margin_of_others, scores_of
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.labels import UNKNOWN
from speechtune.models.classifier.pooling import SegmentStatsPooling
from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.parallel import map_on_cores
from speechtune.models.precision import half_precision
from speechtune.record.takes import TakeFault

_NUM_SEGMENTS = 3
_MARGIN_MS, _STEP_MS, _SHORTEST_MS, _LONGEST_MS = 100, 200, 400, 2_400
_MIN_TAKES = 2
_MIN_TAKES_TO_BE_UNLIKE = 3
# From takes of digits by six speakers, two to six commands: a good take is accused about once in fifty.
_LIKE_ANOTHER_MARGIN, _LIKE_ANOTHER_MARGIN_OF_UNKNOWN = 0.1, 0.3
_UNLIKE_MARGIN = -0.1
_UNLIKE_DISTANCE = 1.8


def word_window(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The word in float32[N] with little around it: float32[0.4 to 2.4 s], in steps of 0.2 s to make batches possible.

    Pauses would count as likeness.
    """
    first, last = active_range(samples) or (0, len(samples))
    margin, step = samples_from_ms(_MARGIN_MS), samples_from_ms(_STEP_MS)
    word = samples[max(first - margin, 0) : last + margin]
    length = -(-len(word) // step) * step
    return place_by_energy(word, min(max(length, samples_from_ms(_SHORTEST_MS)), samples_from_ms(_LONGEST_MS)))


class ClipEncoder:
    """Windows to embeddings, for comparing; one call at a time per thread."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        self._encoder = encoder.eval()
        self._layer = max(1, encoder.num_layers // 2)
        self._pooling = SegmentStatsPooling(_NUM_SEGMENTS)

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[B, N] at 16 kHz to float32[B, E], by the middle layer; bfloat16 where the processor has it."""
        with torch.inference_mode(), half_precision(torch.device("cpu")):
            frames = self._encoder(torch.tensor(windows), num_layers=self._layer)[self._layer - 1]
            embeddings: NDArray[np.float32] = self._pooling(frames).float().numpy()
        return embeddings

    def embed_closely(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same by the middle layer, the last one, and the decoder where there is one."""
        with torch.inference_mode(), half_precision(torch.device("cpu")):
            layers = self._encoder(torch.tensor(windows))
            parts = [self._pooling(layers[self._layer - 1]), self._pooling(layers[-1])]
            if self._encoder.has_state:
                parts.append(self._encoder.state(layers[-1]))
            embeddings: NDArray[np.float32] = torch.cat([part.float() for part in parts], dim=1).numpy()
        return embeddings


class ClipEmbedder:
    """The `data.inspection.inspected_clip.Embedder` that embeds whole data sets, one thread per core."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder

    def embed(self, clips: Sequence[NDArray[np.float32]], *, closely: bool) -> NDArray[np.float32]:
        """Clips float32[any] at 16 kHz to float32[B, E]; words of like length are embedded together."""
        embed = self._encoder.embed_closely if closely else self._encoder.embed
        windows = [word_window(clip) for clip in clips]
        places_of_length: dict[int, list[int]] = {}
        for place, window in enumerate(windows):
            places_of_length.setdefault(len(window), []).append(place)
        embeddings: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(clips)
        for places in places_of_length.values():
            embedded = embed(np.stack([windows[place] for place in places]))
            for place, embedding in zip(places, embedded, strict=True):
                embeddings[place] = embedding
        return np.stack(embeddings)

    def map(
        self, function: Callable[[Sequence[Clip]], list[InspectedClip]], batches: Iterable[Sequence[Clip]]
    ) -> Iterator[list[InspectedClip]]:
        """`function` of every batch, in order."""
        return map_on_cores(function, batches)


class TakeComparer:
    """The `record.ports.Ear` that compares takes by their embeddings; knows the kept takes of this recording."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder
        self._embeddings: list[NDArray[np.float32]] = []
        self._labels: list[str] = []

    def remember(self, samples: NDArray[np.float32], label: str) -> None:
        """A take float32[N] at 16 kHz was kept."""
        self._embeddings.append(self._embed(samples))
        self._labels.append(label)

    def compare(self, samples: NDArray[np.float32], label: str) -> tuple[TakeFault, ...]:
        """What is odd about float32[N] at 16 kHz beside the takes that were kept; nothing as long as there are few."""
        siblings = [kept for kept, name in zip(self._embeddings, self._labels, strict=True) if name == label]
        if len(siblings) < _MIN_TAKES:
            return ()
        new = self._embed(samples)
        if len(set(self._labels)) > 1:
            return self._compare_with_others(new, label, len(siblings))
        is_odd = len(siblings) >= _MIN_TAKES_TO_BE_UNLIKE and label != UNKNOWN and _is_far(new, np.stack(siblings))
        return (TakeFault("unlike_siblings", f"it is far from the other takes of {label!r}"),) if is_odd else ()

    def _compare_with_others(self, new: NDArray[np.float32], label: str, num_siblings: int) -> tuple[TakeFault, ...]:
        names = sorted(set(self._labels))
        targets = np.array([names.index(name) for name in self._labels])
        scores = scores_of(np.stack(self._embeddings), targets, new[None])
        margin = float(margin_of_others(scores, np.array([names.index(label)]))[0])
        best = names[int(scores[0].argmax())]
        limit = _LIKE_ANOTHER_MARGIN_OF_UNKNOWN if UNKNOWN in (label, best) else _LIKE_ANOTHER_MARGIN
        if margin > limit:
            return (TakeFault("like_another", f"it sounds more like {_said(best)} than like {_said(label)}"),)
        if num_siblings >= _MIN_TAKES_TO_BE_UNLIKE and label != UNKNOWN and margin > _UNLIKE_MARGIN:
            return (TakeFault("unlike_siblings", f"it hardly sounds like the other takes of {label!r}"),)
        return ()

    def remember_clips(self, clips: Sequence[Clip], most: int = 10) -> None:
        """Know the latest clips of every label too, which were kept in an earlier recording; at most so many of each.

        Raises:
            AudioError: one cannot be read.
        """
        num_remembered: Counter[str] = Counter()
        for clip in reversed(clips):
            if num_remembered[clip.label] < most:
                num_remembered[clip.label] += 1
                self.remember(read_clip(clip), clip.label)

    def _embed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        embedding: NDArray[np.float32] = self._encoder.embed(word_window(samples)[None])[0]
        return embedding


def _said(label: str) -> str:
    return "the other words" if label == UNKNOWN else repr(label)


def _is_far(new: NDArray[np.float32], siblings: NDArray[np.float32]) -> bool:
    """Whether its nearest sibling is much farther from it than siblings are from theirs."""
    between = np.linalg.norm(siblings[:, None] - siblings[None], axis=2)
    np.fill_diagonal(between, np.inf)
    nearest = float(np.linalg.norm(siblings - new, axis=1).min())
    return nearest > _UNLIKE_DISTANCE * float(np.median(between.min(axis=1)))
