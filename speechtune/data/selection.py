"""Which words of a data set are keywords, and which are negatives."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from speechtune.data.clips import Clip, ClipSet
from speechtune.errors import ConfigError, UnknownLabelError
from speechtune.labels import RESERVED, SILENCE, LabelSet


def choose_labels(
    clip_set: ClipSet, keywords: Sequence[str] | None = None, negatives: ClipSet | None = None
) -> tuple[LabelSet, tuple[Clip, ...]]:
    """The labels a model is to learn, and the clips to learn them from.

    With `keywords` every other label of the data is a negative, with a class of its own; without, every label that is
    not reserved is a keyword. `_unknown_` is one negative class, `_silence_` keeps its meaning.

    Args:
        clip_set: the data.
        keywords: the words to recognise, in the order of their posteriors; none: all, sorted.
        negatives: more recordings that hold no keyword; each of their labels is a negative.

    Returns:
        The labels, and the clips of both sets in their order; each clip's label is one of `LabelSet.classes`.

    Raises:
        UnknownLabelError: a keyword without clips, or no keyword at all; the message lists the labels there are.
        ConfigError: a reserved keyword, one named twice, or one that the negatives hold too.
    """
    there = [label for label in clip_set.labels if label not in RESERVED]
    if keywords is None:
        chosen = there
        if not chosen:
            raise UnknownLabelError(f"{clip_set.root}: holds no keyword; its labels are {_listed(clip_set.labels)}")
    else:
        chosen = [unicodedata.normalize("NFC", keyword) for keyword in keywords]
        if missing := [keyword for keyword in chosen if keyword not in there and keyword not in RESERVED]:
            raise UnknownLabelError(
                f"{clip_set.root}: no clips of {_listed(missing)}; its labels are {_listed(clip_set.labels)}"
            )
    others = set(clip_set.labels).difference(chosen)
    clips = clip_set.clips
    if negatives is not None:
        if both := [keyword for keyword in chosen if keyword in negatives.labels]:
            raise ConfigError(
                f"{negatives.root}: the negatives hold clips of the keywords {_listed(both)}; take them out"
            )
        others.update(negatives.labels)
        clips = (*clips, *negatives.clips)
    return LabelSet(tuple(chosen), tuple(sorted(others - {SILENCE}))), clips


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "none"
