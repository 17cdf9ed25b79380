"""Which words of a data set are keywords, and which are negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.errors import ConfigError, UnknownLabelError
from speechtune.labels import RESERVED, SILENCE, UNKNOWN, LabelSet, check_label
from speechtune.names import composed

MIN_KEYWORD_CLIPS = 2
"""Fewer clips of keywords in all leave nothing to check a model on."""


def choose_labels(
    clip_set: ClipSet, keywords: Sequence[str] | None = None, negatives: ClipSet | None = None
) -> tuple[LabelSet, tuple[Clip, ...]]:
    """The labels a model is to learn, and the clips to learn them from: none that is declared as valid or test.

    With `keywords` every other label of the data is a negative, with a class of its own; without, every label that is
    not reserved is a keyword. A word that `_unknown_` clips are known to say (`Clip.word`) is a negative with a class
    of its own too, so that an evaluation can tell words that the model was shown from those it was not; the `_unknown_`
    clips of unknown words are one class together. `_silence_` keeps its meaning.

    Args:
        clip_set: the data.
        keywords: the words to recognise, in the order of their posteriors; none: all, sorted. A keyword may have
            clips in valid or test alone.
        negatives: more recordings that hold no keyword; each of their labels is a negative.

    Returns:
        The labels, and the clips of both sets in their order; each clip's label is one of `LabelSet.classes`.

    Raises:
        UnknownLabelError: a keyword without clips, or no keyword at all; the message lists the labels there are.
        ConfigError: a reserved keyword, one named twice, or one that the negatives or `_unknown_` clips hold too.
    """
    there = [label for label in clip_set.labels if label not in RESERVED]
    if keywords is None:
        chosen = there
        if not chosen:
            raise UnknownLabelError(f"{clip_set.root}: holds no keyword; its labels are {_listed(clip_set.labels)}")
    else:
        chosen = [composed(keyword) for keyword in keywords]
        if missing := [keyword for keyword in chosen if keyword not in there and keyword not in RESERVED]:
            raise UnknownLabelError(
                f"{clip_set.root}: no clips of {_listed(missing)}; its labels are {_listed(clip_set.labels)}"
            )
    clips = clip_set.clips
    if negatives is not None:
        if both := [keyword for keyword in chosen if keyword in negatives.labels]:
            raise ConfigError(
                f"{negatives.root}: the negatives hold clips of the keywords {_listed(both)}; take them out"
            )
        clips = (*clips, *negatives.clips)
    clips = tuple(_under_its_word(clip, chosen) for clip in clips if clip.may_train)
    others = {clip.label for clip in clips}.difference(chosen)
    return LabelSet(tuple(chosen), tuple(sorted(others - {SILENCE}))), clips


def _under_its_word(clip: Clip, keywords: Sequence[str]) -> Clip:
    """An `_unknown_` clip labelled with its word, if the word is known and short enough to name a class."""
    if clip.label != UNKNOWN or clip.word is None:
        return clip
    word = composed(clip.word)
    if word in keywords:
        raise ConfigError(
            f"{clip.path}: an {UNKNOWN} clip that says the keyword {word!r}; label it {word!r} or take it out"
        )
    try:
        return clip if word in RESERVED else replace(clip, label=check_label(word))
    except ConfigError:
        return clip  # a sentence, for example


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "none"
