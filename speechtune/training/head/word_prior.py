"""What the names of the labels tell before any clip is heard, where the encoder's own decoder knows words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from speechtune.data.sets.clips import Clip
from speechtune.labels import LabelSet
from speechtune.models.classifier.block_fit import Prior
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.encoders.word_vectors import load_word_vectors
from speechtune.recipe import HeadSettings


def word_prior(
    classifier: KeywordClassifier, clips: Sequence[Clip], settings: HeadSettings, *, may_fetch: bool
) -> Prior | None:
    """The prior of the block of `classifier` that reads the decoder; None where there is none, or no vocabulary.

    Keywords and negative words are believed apart: somebody may number the commands and name the other words. What the
    names say is worth `word_knowledge` clips, so that it fades with the clips that there are of each keyword.

    Args:
        classifier: the encoder's name tells the vocabulary, the labels tell the words.
        clips: what will be learnt from.
        settings: how many clips it is worth.
        may_fetch: see `load_word_vectors`.

    Raises:
        ModelError: as for `load_word_vectors`.
    """
    if not classifier.uses_decoder or settings.word_knowledge == 0.0:
        return None
    vectors = load_word_vectors(classifier.encoder.name, may_fetch=may_fetch)
    labels = classifier.labels
    if vectors is None or vectors.rows.shape[1] != classifier.encoder.hidden_size:
        return None
    groups = torch.tensor([int(name not in labels.keywords) for name in labels.classes])
    worth = settings.word_knowledge / (settings.word_knowledge + _clips_per_keyword(clips, labels))
    return Prior(torch.from_numpy(vectors.directions(labels.classes)), groups, worth)


def _clips_per_keyword(clips: Sequence[Clip], labels: LabelSet) -> float:
    counts = Counter(clip.label for clip in clips)
    return sum(counts[keyword] for keyword in labels.keywords) / len(labels.keywords)
