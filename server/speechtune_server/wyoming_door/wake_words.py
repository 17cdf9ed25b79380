"""The keywords of the models that are served, as wake words of Wyoming.

Those of the default model go by their own names, those of others as MODEL/KEYWORD: a program of Wyoming has one list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wyoming.info import Attribution, Info, WakeModel, WakeProgram

import speechtune
from speechtune.errors import InvalidRequestError
from speechtune.streaming.config import CommandRule
from speechtune_server.engine.model_store import ModelStore, ServedModel

_OURS = Attribution(name="speechtune", url="")


@dataclass(frozen=True)
class Wanted:
    """What a client listens for.

    Attributes:
        model: that finds it.
        rules: one for every keyword; none stands for all.
        prefix: before every keyword's name.
    """

    model: ServedModel
    rules: tuple[CommandRule, ...]
    prefix: str


def info_of(store: ModelStore) -> Info:
    """What `describe` is answered with."""
    words = [
        WakeModel(
            name=f"{_prefix(model, store)}{label}",
            attribution=_OURS,
            installed=True,
            description=label if model is store.default else f"{label} ({model.name})",
            version=model.digest[:12],
            languages=[],
            phrase=label,
        )
        for model in sorted(store.models, key=lambda model: model is not store.default)
        for label in model.scorer.labels.keywords
    ]
    program = WakeProgram(
        name="speechtune",
        attribution=_OURS,
        installed=True,
        description="Spoken commands, fine-tuned on a few recordings of each",
        version=speechtune.__version__,
        models=words,
    )
    return Info(wake=[program])


def wanted_of(names: Sequence[str], store: ModelStore) -> Wanted:
    """What the names in `detect` stand for; none stands for every keyword of the default model.

    Raises:
        InvalidRequestError: a name is no wake word, or they are of several models.
    """
    known = {
        f"{_prefix(model, store)}{label}": (model, label)
        for model in store.models
        for label in model.scorer.labels.keywords
    }
    if not names:
        return Wanted(store.default, (), "")
    for name in names:
        if name not in known:
            raise InvalidRequestError("detect.names", f"{name!r} is not a wake word; there are: {', '.join(known)}")
    found = [known[name] for name in dict.fromkeys(names)]
    model = found[0][0]
    if any(other is not model for other, _ in found):
        raise InvalidRequestError("detect.names", "they are of several models; ask for those of one model at a time")
    return Wanted(model, tuple(CommandRule(label) for _, label in found), _prefix(model, store))


def _prefix(model: ServedModel, store: ModelStore) -> str:
    return "" if model is store.default else f"{model.name}/"
