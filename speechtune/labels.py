"""The words a model tells apart, and the two answers that are not words.

A head has one *class* per keyword, one per negative word it was shown, and `_silence_`; what leaves the model are
*labels*: the keywords, `_unknown_` (all negative classes together) and `_silence_`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ConfigError, UnknownLabelError
from speechtune.names import composed, hidden_character

UNKNOWN = "_unknown_"
SILENCE = "_silence_"
BACKGROUND_NOISE = "_background_noise_"
PARTS = "_parts_"
"""The class of parts of commands, which training cuts itself; reported as `_unknown_`."""
RESERVED = frozenset({UNKNOWN, SILENCE, BACKGROUND_NOISE, PARTS})

_MAX_LABEL_CHARACTERS = 64
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f,]")


def check_label(label: str) -> str:
    """Return `label`, its accents composed, if it can name a folder, a column and a field; any letters, and spaces.

    Raises:
        ConfigError: it is empty, too long, starts with a dot, or holds a separator, a comma, a control character, or
            one that turns the direction of writing round.

    >>> check_label("lights on")
    'lights on'
    """
    label = composed(label)
    if not label or label != label.strip() or len(label) > _MAX_LABEL_CHARACTERS:
        raise ConfigError(f"label {label!r}: use 1 to {_MAX_LABEL_CHARACTERS} characters, no space at either end")
    if label.startswith(".") or _FORBIDDEN.search(label):
        raise ConfigError(
            f"label {label!r}: a label may not start with a dot or hold '/', '\\', ',' or control characters; rename it"
        )
    if (hidden := hidden_character(label)) is not None:
        raise ConfigError(f"label {label!r}: holds {hidden}, which nobody sees; rename it")
    return label


@dataclass(frozen=True)
class LabelSet:
    """The ordered labels of one model, in the one form that `composed` gives them.

    Attributes:
        keywords: the words to recognise, in the order of their posteriors.
        negatives: negative words that have a class of their own in the head; reported together as `_unknown_`.
    """

    keywords: tuple[str, ...]
    negatives: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.keywords:
            raise ConfigError("a model needs at least one keyword")
        object.__setattr__(self, "keywords", tuple(map(check_label, self.keywords)))
        object.__setattr__(self, "negatives", tuple(map(check_label, self.negatives)))
        words = [*self.keywords, *self.negatives]
        if reserved := RESERVED.intersection(self.keywords):
            raise ConfigError(f"{', '.join(sorted(reserved))} cannot be keywords: the names are reserved")
        if len(set(words)) != len(words):
            twice = sorted({word for word in words if words.count(word) > 1})
            raise ConfigError(f"named twice among keywords and negatives: {', '.join(twice)}")

    @property
    def classes(self) -> tuple[str, ...]:
        """What the head tells apart, in the order of its logits: keywords, negatives, `_silence_`."""
        return (*self.keywords, *self.negatives, SILENCE)

    @property
    def labels(self) -> tuple[str, ...]:
        """What is reported, in the order of the posteriors: keywords, `_unknown_`, `_silence_`."""
        return (*self.keywords, UNKNOWN, SILENCE)

    @property
    def unknown_index(self) -> int:
        """Index of `_unknown_` among `labels`."""
        return len(self.keywords)

    @property
    def silence_index(self) -> int:
        """Index of `_silence_` among `labels`."""
        return len(self.keywords) + 1

    @property
    def label_of_class(self) -> NDArray[np.int64]:
        """int64[C]: the index in `labels` of every class.

        >>> LabelSet(("yes", "no"), ("cat", "dog")).label_of_class.tolist()
        [0, 1, 2, 2, 3]
        """
        num_keywords = len(self.keywords)
        return np.array([*range(num_keywords), *[num_keywords] * len(self.negatives), num_keywords + 1], dtype=np.int64)

    def index(self, label: str) -> int:
        """Index of `label` among `labels`.

        Raises:
            UnknownLabelError: the model does not have it; the message lists those it has.
        """
        try:
            return self.labels.index(composed(label))
        except ValueError:
            known = ", ".join(self.keywords)
            raise UnknownLabelError(f"label {label!r} is not one of this model's keywords: {known}") from None

    def label_for(self, word: str) -> str:
        """The label that reports `word`: itself for a keyword or `_silence_`, else `_unknown_`."""
        word = composed(word)
        return word if word in self.keywords or word == SILENCE else UNKNOWN
