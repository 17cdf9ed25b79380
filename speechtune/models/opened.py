"""One door to a tuned model: a checkpoint's folder, one of the hub, or an exported `.onnx` file, ready to score.

Whoever opens an exported file needs no torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechtune.errors import ConfigError, MissingExtraError
from speechtune.extras import need
from speechtune.models.backends import Backend
from speechtune.models.checkpoints.files import read_summary
from speechtune.models.checkpoints.hub import hub_name, local_folder
from speechtune.models.scorers.onnx_scorer import OnnxDescription, OnnxScorer, read_onnx_description
from speechtune.models.scorers.second_look import with_second_look
from speechtune.recipe import SessionSettings

if TYPE_CHECKING:
    from pydantic import JsonValue

    from speechtune.labels import LabelSet
    from speechtune.models.checkpoints.checkpoint import Checkpoint
    from speechtune.streaming.config import Scorer

ONNX_SUFFIX = ".onnx"

_PRECISIONS = {Backend.TORCH: "fp32", Backend.TORCH_BF16: "bf16", Backend.ONNX: "fp32", Backend.ONNX_INT8: "int8"}


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A model in this process.

    Attributes:
        name: of its folder, file or repository.
        scorer: turns windows into posteriors; looks again where it is in doubt, if the model was made to.
        settings: of its sessions.
        digest: sha256 of the checkpoint, hex; of an exported file that of the checkpoint it was made from.
        encoder: name of the pretrained encoder.
        facts: what a report says about it, name -> value.
        precision: of its arithmetic: fp32, bf16 or int8.
        is_parallel: whether several threads may call the scorer at once.
    """

    name: str
    scorer: Scorer
    settings: SessionSettings
    digest: str
    encoder: str
    facts: Mapping[str, JsonValue]
    precision: str = "fp32"
    is_parallel: bool = False

    @property
    def labels(self) -> LabelSet:
        """The labels, in the order of the posteriors."""
        return self.scorer.labels

    @property
    def thresholds(self) -> dict[str, float]:
        """The calibrated threshold of every keyword, 0 to 1."""
        return self.scorer.thresholds


@dataclass(frozen=True)
class ModelIdentity:
    """Which model lies at a place, known without loading it.

    Attributes:
        digest: as for `OpenModel`.
        negatives: the words that it was shown as negatives.
    """

    digest: str
    negatives: tuple[str, ...]


def is_exported(path: Path) -> bool:
    """Whether `path` is called like an exported file.

    >>> is_exported(Path("lights.ONNX"))
    True
    """
    return path.suffix.lower() == ONNX_SUFFIX


def open_model(
    path: Path,
    backend: Backend | None = None,
    *,
    num_threads: int = 1,
    num_cores: int | None = None,
    use_gpu: bool = False,
) -> OpenModel:
    """Open a checkpoint's folder, or an exported `.onnx` file.

    Args:
        path: the folder, the file, or a model of the Hugging Face hub: `organisation/name`, where no folder of that
            name is here, or `hf://organisation/name`; `@revision` may follow.
        backend: what runs a checkpoint. Defaults to torch; for ONNX Runtime it is exported into a temporary folder.
        num_threads: cores that ONNX Runtime may use for one window.
        num_cores: cores that ONNX Runtime may share many windows out over. Defaults to all that this process has.
        use_gpu: whether torch runs it on a GPU where there is one.

    Raises:
        CheckpointNotFoundError: there is no model.
        CheckpointCorruptError: its files are damaged.
        CheckpointIncompatibleError: it is another program's model, one of a newer version, or one that cannot be run by
            this backend.
        MissingExtraError: it is a checkpoint's folder, and the extra `train` is not installed.
        HubUnavailableError: it is one of the hub, not in its cache on this machine, and the hub cannot be asked.
        ConfigError: a backend was named for an exported file, which runs as it was exported; or this machine cannot do
            what the backend does.
    """
    cores = _num_cores() if num_cores is None else num_cores
    if is_exported(path):
        if backend is not None:
            raise ConfigError(
                f"--backend {backend} belongs to a checkpoint's folder: {path.name} runs as it was exported"
            )
        return exported_model(path, OnnxScorer(path, num_threads, cores))
    folder, name = local_folder(path), hub_name(path)
    need_for_checkpoint(folder)
    from speechtune.models.checkpoints.checkpoint import load_checkpoint

    backend = backend or Backend.TORCH
    checkpoint = load_checkpoint(folder)
    if backend.is_torch and use_gpu:
        _move_to_gpu(checkpoint)
    facts: dict[str, JsonValue] = {
        "checkpoint": str(path),
        "digest": checkpoint.digest,
        "encoder": checkpoint.classifier.encoder.name,
        "backend": str(backend),
        **({} if name is None else {"revision": folder.name}),
        **{f"training: {fact}": value for fact, value in checkpoint.training.items()},
    }
    return OpenModel(
        name=path.name if name is None else name.name,
        scorer=_scorer(checkpoint, backend, num_threads, cores),
        settings=checkpoint.recipe.session,
        digest=checkpoint.digest,
        encoder=checkpoint.classifier.encoder.name,
        facts=facts,
        precision=_PRECISIONS[backend],
        is_parallel=not backend.is_torch,
    )


def need_for_checkpoint(folder: Path) -> None:
    """See to it that the folder of a checkpoint can be run or exported here.

    Raises:
        MissingExtraError: the extra `train` is not installed.
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: nor would it help.
    """
    try:
        need(f"{folder}: the folder of a checkpoint, unlike an exported .onnx file,", "train")
    except MissingExtraError:
        read_summary(folder)
        raise


def identify_model(path: Path) -> ModelIdentity:
    """Tell which model a checkpoint's folder or an exported `.onnx` file is.

    Raises:
        ModelError: as for `open_model`.
    """
    if is_exported(path):
        exported = read_onnx_description(path)
        return ModelIdentity(exported.checkpoint_digest, tuple(exported.negatives))
    summary = read_summary(local_folder(path))
    return ModelIdentity(summary.digest, tuple(summary.description.negatives))


def _scorer(checkpoint: Checkpoint, backend: Backend, num_threads: int, num_cores: int) -> Scorer:
    if backend.is_torch:
        return checkpoint.scorer("bf16" if backend is Backend.TORCH_BF16 else "fp32")
    from tempfile import TemporaryDirectory

    from speechtune.models.export import export_onnx

    # ONNX Runtime needs the file no more once it is loaded.
    with TemporaryDirectory(prefix="speechtune-") as folder:
        report = export_onnx(checkpoint, Path(folder) / "model.onnx", int8=backend is Backend.ONNX_INT8)
        scorer = OnnxScorer(report.path, num_threads, num_cores)
    return with_second_look(scorer, report.description.second_look)


def _move_to_gpu(checkpoint: Checkpoint) -> None:
    import torch

    if torch.cuda.is_available():
        # Convolutions would take 10 bits of what is multiplied, where nobody asked for fewer than 23.
        torch.backends.cudnn.allow_tf32 = False
        checkpoint.classifier.to("cuda")


def exported_model(path: Path, scorer: OnnxScorer) -> OpenModel:
    """The model of an exported file that is loaded already; it looks again where it is in doubt, if it was made to."""
    description: OnnxDescription = scorer.description
    return OpenModel(
        name=path.name,
        scorer=with_second_look(scorer, description.second_look),
        settings=SessionSettings(description.detector, description.endpointing),
        digest=description.checkpoint_digest,
        encoder=description.encoder,
        facts={
            "exported file": str(path),
            "precision": description.precision,
            "digest": description.checkpoint_digest,
            "encoder": description.encoder,
        },
        precision=description.precision,
        is_parallel=True,
    )


def _num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
