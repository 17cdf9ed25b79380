"""Which detection hears which word of a stream.

A detection *hears* a word if it has the word's label and the middle of its span lies within the word, widened by the
tolerance on either side. Each word is heard once and each detection hears one word at most; as many pairs are made as
can be. Every other detection is a false accept, wherever it lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from speechtune.errors import DataError

FalseAccept: TypeAlias = Literal["confused", "repeated", "alone"]
"""On another keyword, on a word that was heard already, or where no keyword was said."""


class Heard(Protocol):
    """A detection as the session reports it; offsets are samples at 16 kHz from the start of the stream."""

    @property
    def label(self) -> str:
        """The keyword."""

    @property
    def confidence(self) -> float:
        """0 to 1."""

    @property
    def start_sample(self) -> int:
        """Where it begins."""

    @property
    def end_sample(self) -> int:
        """Where it ends."""

    @property
    def decision_sample(self) -> int:
        """The last sample that the decision needed."""


@dataclass(frozen=True)
class SpokenWord:
    """A keyword in a stream, from `start_sample` to before `end_sample`."""

    label: str
    start_sample: int
    end_sample: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_sample < self.end_sample:
            raise DataError(f"{self.label!r} from sample {self.start_sample} to {self.end_sample}: has no length")


@dataclass(frozen=True)
class PlayedStream:
    """One stream: what was said in it and what the session reported, each in any order; words may overlap.

    Raises:
        DataError: a word ends after the stream.
    """

    name: str
    num_samples: int
    spoken: tuple[SpokenWord, ...]
    detections: tuple[Heard, ...]

    def __post_init__(self) -> None:
        for word in self.spoken:
            if word.end_sample > self.num_samples:
                raise DataError(
                    f"{self.name}: {word.label!r} ends at sample {word.end_sample}, the stream has {self.num_samples}; "
                    "do truth and recording belong together?"
                )


@dataclass(frozen=True)
class StreamOutcome:
    """How one stream was heard.

    Attributes:
        heard: pairs (index among its words, index among its detections), by the word.
        missed: indices of the words that no detection hears.
        false_accepts: index of every detection that hears no word -> why: `confused`, `repeated` or `alone`.
    """

    heard: tuple[tuple[int, int], ...]
    missed: tuple[int, ...]
    false_accepts: dict[int, FalseAccept]


def match_events(stream: PlayedStream, keywords: Sequence[str], tolerance_samples: int) -> StreamOutcome:
    """Pair the words and the detections of one stream.

    Raises:
        DataError: a word or a detection is not among the keywords.
    """
    _check_keywords(stream, keywords)
    heard = sorted(pair for keyword in keywords for pair in _matched(stream, keyword, tolerance_samples))
    words, events = {word for word, _ in heard}, {event for _, event in heard}
    return StreamOutcome(
        heard=tuple(heard),
        missed=tuple(word for word in range(len(stream.spoken)) if word not in words),
        false_accepts={
            index: _why_false(event, stream.spoken, tolerance_samples)
            for index, event in enumerate(stream.detections)
            if index not in events
        },
    )


def _check_keywords(stream: PlayedStream, keywords: Sequence[str]) -> None:
    named = [("was said", word.label) for word in stream.spoken]
    named += [("was detected", event.label) for event in stream.detections]
    for what, label in named:
        if label not in keywords:
            raise DataError(f"{stream.name}: {label!r} {what} but is not among the keywords: {', '.join(keywords)}")


def _middle(event: Heard) -> int:
    return (event.start_sample + event.end_sample) // 2


def _lies_on(middle: int, word: SpokenWord, tolerance: int) -> bool:
    return word.start_sample - tolerance <= middle < word.end_sample + tolerance


def _matched(stream: PlayedStream, keyword: str, tolerance: int) -> list[tuple[int, int]]:
    """Pair words and detections of one keyword, as many as possible.

    Detections in time order, each to the word around it that ends first (Glover 1967, matching in convex graphs).
    """
    free = [index for index, word in enumerate(stream.spoken) if word.label == keyword]
    free.sort(key=lambda index: stream.spoken[index].end_sample)
    events = [index for index, event in enumerate(stream.detections) if event.label == keyword]
    pairs: list[tuple[int, int]] = []
    for event in sorted(events, key=lambda index: _middle(stream.detections[index])):
        middle = _middle(stream.detections[event])
        around = (word for word in free if _lies_on(middle, stream.spoken[word], tolerance))
        if (word := next(around, None)) is not None:
            pairs.append((word, event))
            free.remove(word)
    return pairs


def _why_false(event: Heard, spoken: Sequence[SpokenWord], tolerance: int) -> FalseAccept:
    near = {word.label for word in spoken if _lies_on(_middle(event), word, tolerance)}
    if event.label in near:
        return "repeated"
    return "confused" if near else "alone"
