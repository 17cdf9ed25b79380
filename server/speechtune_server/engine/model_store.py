"""The models that are served, by name and digest. Loading is the only thing here that takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import CheckpointIncompatibleError, ModelUnavailableError
from speechtune.models.opened import need_for_checkpoint
from speechtune.names import composed
from speechtune.recipe import DetectorSettings, EndpointingSettings
from speechtune.streaming.config import Scorer

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
        is_parallel: several threads may call the scorer at once, and windows together cost what they cost apart.
    """

    name: str
    digest: str
    scorer: Scorer
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)
    precision: str = "fp32"
    is_parallel: bool = False


LoadModel = Callable[[str, Path], ServedModel]
"""Name and checkpoint folder to a model; may take seconds."""


def load_served_model(
    name: str, folder: Path, num_threads: int | None = None, precision: Literal["fp32", "bf16"] = "fp32"
) -> ServedModel:
    """Load a checkpoint into torch, onto a GPU where there is one.

    Raises:
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: as `load_checkpoint`.
        MissingExtraError: as for `need_for_checkpoint`.
        ConfigError: `bf16` where the machine has no instructions for it.
    """
    need_for_checkpoint(folder)
    import torch

    from speechtune.models.checkpoints.checkpoint import load_checkpoint

    if num_threads is not None:
        torch.set_num_threads(num_threads)
    checkpoint = load_checkpoint(folder)
    if torch.cuda.is_available():
        # Convolutions would take 10 bits of what is multiplied, where nobody asked for fewer than 23.
        torch.backends.cudnn.allow_tf32 = False
        checkpoint.classifier.to("cuda")
    recipe, scorer = checkpoint.recipe, checkpoint.scorer(precision)
    return proven(ServedModel(name, checkpoint.digest, scorer, recipe.detector, recipe.endpointing, precision))


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
