"""A checkpoint's words change: new ones are added, old ones dropped, and the others keep what was learnt of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from speechtune.errors import ConfigError, UnknownLabelError
from speechtune.labels import LabelSet
from speechtune.models.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from speechtune.models.checkpoints.files import read_summary
from speechtune.models.checkpoints.hub import local_folder
from speechtune.recipe import Recipe
from speechtune.training.devices import Device
from speechtune.training.finetune import FinetuneResult, finetune
from speechtune.training.material.training_set import TrainingData
from speechtune.training.stages import Progress, silent


def add_keywords(
    start: Path,
    data: TrainingData,
    new: tuple[str, ...],
    out: Path,
    recipe: Recipe,
    progress: Progress = silent,
    device: Device = "auto",
) -> FinetuneResult:
    """Train the words of the checkpoint `start` and the `new` ones together on its encoder, and save to `out`.

    What was learnt of the old words lies in the encoder and in their clips, which are heard again: a head that heard
    the new ones alone would give them the old ones' clips too. Old words that are no keywords stay negatives.

    Args:
        start: the checkpoint to go on from.
        data: clips of the new words and, there or in `data.more`, of the old ones; its `keywords` are not read.
        new: words to add.
        out: folder of the checkpoint; it may be `start`.
        recipe: every setting; `start`'s own is a good one.
        progress: told of every stage.
        device: where the encoder runs.

    Raises:
        ConfigError: a word is a keyword of the checkpoint already.
        UnknownLabelError: no clips of a new word, or of an old one.
        ModelError, DataError, AudioError, TrainingDivergedError: as for `finetune`.
    """
    start = local_folder(start)
    old = read_summary(start).description.keywords
    if known := [keyword for keyword in new if keyword in old]:
        raise ConfigError(f"checkpoint {start}: {', '.join(known)}: keywords already; leave them out of --keywords")
    return finetune(replace(data, keywords=old + new), out, recipe, progress, start=start, device=device)


def remove_keywords(start: Path, words: tuple[str, ...], out: Path) -> Checkpoint:
    """Make keywords of the checkpoint `start` into words to be rejected, and save to `out`; nothing is trained.

    What the head knows of them stays in use: they count towards `_unknown_`. The posteriors and thresholds of the other
    keywords do not change.

    Raises:
        UnknownLabelError: a word is no keyword of the checkpoint; the message lists them.
        ConfigError: no keyword would be left, or `out` cannot be written to.
        ModelError: as for `load_checkpoint`.
    """
    loaded = load_checkpoint(local_folder(start))
    labels = loaded.classifier.labels
    if unknown := [word for word in words if word not in labels.keywords]:
        raise UnknownLabelError(
            f"checkpoint {start}: no keyword {', '.join(unknown)}; its keywords are {', '.join(labels.keywords)}"
        )
    kept = tuple(keyword for keyword in labels.keywords if keyword not in words)
    if not kept:
        raise ConfigError(f"checkpoint {start}: no keyword would be left; keep at least one")
    classifier = loaded.classifier.relabelled(LabelSet(kept, tuple(sorted({*labels.negatives, *words}))))
    thresholds = {keyword: loaded.thresholds[keyword] for keyword in kept}
    facts = dict(loaded.training) | {"started_from": loaded.digest, "removed_keywords": list(words)}
    return save_checkpoint(Checkpoint(classifier, thresholds, loaded.recipe.without_keywords(words), facts), out)
