"""The models that are served, by name and digest. Loading is the only thing here that takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import CheckpointIncompatibleError, ModelUnavailableError
from speechtune.models.opened import OpenModel
from speechtune.names import composed
from speechtune.recipe import DetectorSettings, EndpointingSettings
from speechtune.streaming.config import Scorer
from speechtune_server.engine.choice import BackendChoice

_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One checkpoint that is ready to score.

    Attributes:
        name: what clients ask for.
        digest: SHA-256 of the checkpoint, hex.
        scorer: turns windows into posteriors; only one thread at a time may call it, unless `is_parallel`.
        detector, endpointing: the recipe's settings, which a stream's own replace.
        precision: of its arithmetic.
        chosen: what runs it, and why; None: it is no model of a checkpoint.
        is_parallel: several threads may call the scorer at once, and windows together cost what they cost apart.
    """

    name: str
    digest: str
    scorer: Scorer
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)
    precision: str = "fp32"
    is_parallel: bool = False
    chosen: BackendChoice | None = None


LoadModel = Callable[[str, Path], ServedModel]
"""Name and checkpoint folder to a model; may take seconds."""


def served_model(name: str, model: OpenModel, chosen: BackendChoice) -> ServedModel:
    """An open model under the name that clients ask for, after it has scored once.

    Raises:
        CheckpointIncompatibleError: it cannot score.
    """
    settings = model.settings
    return proven(
        ServedModel(
            name=name,
            digest=model.digest,
            scorer=model.scorer,
            detector=settings.detector,
            endpointing=settings.endpointing,
            precision=model.precision,
            is_parallel=model.is_parallel,
            chosen=chosen,
        )
    )


def proven(model: ServedModel) -> ServedModel:
    """The same model, after it has scored once: the first client need not wait for what the first call sets up.

    Raises:
        CheckpointIncompatibleError: it cannot score, or what it gives are no posteriors.
    """
    try:
        posteriors = model.scorer.score(np.zeros((1, model.scorer.window_samples), dtype=np.float32))
    except Exception as error:  # whatever a damaged graph makes its runtime say
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointIncompatibleError(
            f"model {model.name!r}: cannot score silence ({reason}); fine-tune or export it again"
        ) from error
    if not are_posteriors(posteriors):
        raise CheckpointIncompatibleError(
            f"model {model.name!r}: gives something else than posteriors on silence; fine-tune or export it again"
        )
    return model


def are_posteriors(posteriors: NDArray[np.float32]) -> bool:
    """Whether every row adds up to 1; NaN does not."""
    return posteriors.ndim == 2 and bool((np.abs(posteriors.sum(axis=1) - 1.0) <= _SUM_TOLERANCE).all())


class ModelStore:
    """Finds models by the name a client gives: "", "name" or "name@digest".

    Args:
        models: in the order they are listed.
        default_name: the model that "" stands for; one of them.
    """

    def __init__(self, models: Iterable[ServedModel], default_name: str) -> None:
        self._models = {composed(model.name): model for model in models}
        self._default_name = composed(default_name)

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """All of them."""
        return tuple(self._models.values())

    @property
    def default(self) -> ServedModel:
        """The model that "" stands for."""
        return self._models[self._default_name]

    def find(self, reference: str) -> ServedModel:
        """The model that `reference` means.

        Raises:
            ModelUnavailableError: there is none of that name, or its digest is another.
        """
        name, has_digest, digest = composed(reference).partition("@")
        model = self._models.get(name or self._default_name)
        if model is None:
            raise ModelUnavailableError(f"model {name!r} is not served here; there are: {', '.join(self._models)}")
        if has_digest and digest != model.digest:
            raise ModelUnavailableError(
                f"model {model.name!r} is served with digest {model.digest}, not {digest!r}; "
                "ask for that one, or for the name alone"
            )
        return model

    def put(self, model: ServedModel) -> None:
        """Serve `model` under its name, in place of the one that has it."""
        self._models[composed(model.name)] = model

    def remove(self, model: ServedModel) -> None:
        """Serve `model` no longer; not to be called of the default."""
        del self._models[composed(model.name)]

    def set_default(self, model: ServedModel) -> None:
        """Let "" stand for `model`, which is one of them."""
        self._default_name = composed(model.name)
