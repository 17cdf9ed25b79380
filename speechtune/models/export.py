"""A checkpoint as one ONNX file: raw audio at 16 kHz in, logits and posteriors out, the log-mel spectrogram included.

The file needs onnxruntime and numpy alone. Golden vectors beside it say what it gives on known windows, layer by layer.
"""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import CheckpointIncompatibleError, ConfigError
from speechtune.models.checkpoints.checkpoint import Checkpoint
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.golden.comparison import compare, first_problem
from speechtune.models.golden.onnx_layers import layer_values
from speechtune.models.golden.vectors import (
    About,
    Golden,
    Layer,
    golden_path,
    parts_of,
    sha256_of,
    write_golden,
)
from speechtune.models.golden.windows import golden_windows
from speechtune.models.int8_agreement import Int8Agreement, agreement_between
from speechtune.models.scorers.onnx_scorer import (
    BATCH_NAME,
    INPUT_NAME,
    LOGITS_NAME,
    METADATA_KEY,
    POSTERIORS_NAME,
    OnnxDescription,
    OnnxScorer,
)
from speechtune.models.scorers.second_look import with_second_look
from speechtune.models.scorers.torch_scorer import TorchScorer
from speechtune.whole_files import write_whole

OPSET = 17
"""The first with LayerNormalization as one operation; runtimes since 2022 know it."""
FP32_TOLERANCE = 1e-4
"""Largest difference of a posterior from torch's; an export beyond it is refused."""

_LARGEST_BYTES = 1_900_000_000  # one protobuf message holds 2 GiB
_STAGE = "export"
_FP32_MODULES = frozenset({"features", "head"})
_OUTPUTS = (LOGITS_NAME, POSTERIORS_NAME)
_FEATURES = ("log_mel", "normalised")
_AXES = {
    "log_mel": ("mel band", "frame"),
    "normalised": ("sample",),
    "embedding": ("value",),
    LOGITS_NAME: ("class",),
    POSTERIORS_NAME: ("label",),
}


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        num_bytes: size of the file.
        max_difference: largest difference of a posterior from torch's, on the golden windows.
        golden: the file of golden vectors; None: it was not asked for.
    """

    path: Path
    description: OnnxDescription
    num_bytes: int
    max_difference: float
    golden: Path | None = None


class _ExportedModule(nn.Module):
    def __init__(self, classifier: KeywordClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, waveforms: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.classifier.layer_outputs(waveforms).values())


class Progress(Protocol):
    """Told the stage, how much of it is done, and how much there is."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Called with 0 first and with `total` last."""


def _told_to_nobody(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def export_onnx(
    checkpoint: Checkpoint,
    path: Path,
    *,
    int8: bool = False,
    golden: bool = False,
    progress: Progress = _told_to_nobody,
) -> ExportReport:
    """Write `checkpoint` as one ONNX file and compare it with torch; the file appears whole or not at all.

    Args:
        checkpoint: a saved one, so that the file can name its digest.
        path: the file to write; an older one is replaced.
        int8: make the encoder's linear layers int8, with activations quantised as they come. The spectrogram, the
            convolutions, the norms and the head stay fp32.
        golden: write golden vectors beside the file: those of torch, or of the int8 graph itself.
        progress: told of every step.

    Raises:
        ConfigError: the place cannot be written to, or the model is too large for one file.
        CheckpointIncompatibleError: this encoder cannot be exported faithfully.
    """
    step_done = _steps(progress, 2 + int8 + golden)
    with TemporaryDirectory() as folder:
        finished, description = _exported(checkpoint, Path(folder), int8, step_done)
        classifier = checkpoint.classifier
        difference = _difference(TorchScorer(classifier, checkpoint.thresholds), OnnxScorer(finished))
        content = finished.read_bytes()
        step_done()
    if not int8 and not difference <= FP32_TOLERANCE:
        raise _unfaithful(f"posteriors differ by {difference:.2g}")
    vectors = _golden(classifier, description, content) if golden else None
    if golden:
        step_done()
    try:
        write_whole(path, content)
    except OSError as error:
        raise ConfigError(f"export {path}: cannot be written ({error.strerror or error})") from error
    if vectors is None:
        return ExportReport(path, description, len(content), difference)
    write_golden(vectors, golden_path(path))
    return ExportReport(path, description, len(content), difference, golden_path(path))


def compare_int8(checkpoint: Checkpoint, windows: NDArray[np.float32]) -> Int8Agreement:
    """Compare an int8 export of `checkpoint`, which need not be saved, with the checkpoint itself.

    Args:
        checkpoint: on the CPU.
        windows: float32[B, window_samples], B >= 1, of the clips that it was calibrated on.

    Raises:
        ConfigError, CheckpointIncompatibleError: as for `export_onnx`.
    """
    with TemporaryDirectory() as folder:
        finished, description = _exported(checkpoint, Path(folder), True, _steps(_told_to_nobody, 2))
        int8 = OnnxScorer(finished, num_cores=torch.get_num_threads())
    return agreement_between(checkpoint.scorer(), with_second_look(int8, description.second_look), windows)


def _steps(progress: Progress, total: int) -> Callable[[], None]:
    """What is called after each of `total` steps."""
    progress(_STAGE, 0, total)
    done = itertools.count(1)
    return lambda: progress(_STAGE, next(done), total)


def _exported(
    checkpoint: Checkpoint, folder: Path, int8: bool, step_done: Callable[[], None]
) -> tuple[Path, OnnxDescription]:
    """The finished file, in `folder`, and what it says of itself."""
    classifier = checkpoint.classifier.eval()
    if sum(tensor.numel() * 4 for tensor in classifier.state_dict().values()) > _LARGEST_BYTES:
        raise ConfigError("export: the model is larger than one ONNX file can be; serve it with --backend torch")
    description = OnnxDescription(
        precision="int8" if int8 else "fp32",
        checkpoint_digest=checkpoint.digest,
        encoder=classifier.encoder.name,
        keywords=classifier.labels.keywords,
        negatives=classifier.labels.negatives,
        window_samples=classifier.window_samples,
        thresholds=dict(checkpoint.thresholds),
        detector=checkpoint.recipe.detector,
        endpointing=checkpoint.recipe.endpointing,
        second_look=checkpoint.recipe.clip.second_look,
    )
    traced = folder / "fp32.onnx"
    _trace(classifier, traced)
    step_done()
    if int8:
        traced = _quantised(traced, folder / "int8.onnx")
        step_done()
    finished = folder / "finished.onnx"
    finished.write_bytes(_described(traced, description))
    return finished, description


@torch.no_grad()
def _trace(classifier: KeywordClassifier, path: Path) -> None:
    example = torch.from_numpy(golden_windows(classifier.window_samples)[:2]).to(classifier.device)
    names = list(classifier.layer_outputs(example))
    try:
        with _quiet():
            torch.onnx.export(
                _ExportedModule(classifier).eval(),
                (example,),
                str(path),
                dynamo=False,  # the newer exporter needs onnxscript and gains nothing here
                opset_version=OPSET,
                input_names=[INPUT_NAME],
                output_names=names,
                dynamic_axes={name: {0: BATCH_NAME} for name in [INPUT_NAME, *names]},
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointIncompatibleError(
            f"export: encoder {classifier.encoder.name!r} cannot be exported ({reason}); serve it with --backend torch"
        ) from error


def _quantised(traced: Path, path: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(
            str(traced),
            str(path),
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_quantize=_linear_layers(traced),
            extra_options={"MatMulConstBOnly": True},
        )
    return path


def _linear_layers(path: Path) -> list[str]:
    """Names of the products with weights inside the encoder, but for the spectrogram.

    Raises:
        CheckpointIncompatibleError: there are none; quantising would then take every operation that it can.
    """
    import onnx

    graph = onnx.load(str(path)).graph
    weights = {tensor.name for tensor in graph.initializer}
    # Calls are named by the modules they go through, and the encoder's own name is not always among those.
    names = [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm")
        and not _FP32_MODULES.intersection(node.name.split("/"))
        and any(name in weights for name in node.input)
    ]
    if not names:
        raise CheckpointIncompatibleError("export: this encoder has no linear layers to make int8; leave --int8 out")
    return names


def _described(path: Path, description: OnnxDescription) -> bytes:
    import onnx

    model = onnx.load(str(path))
    # The other layers keep their names, and are computed on the way.
    outputs = [value for value in model.graph.output if value.name in _OUTPUTS]
    del model.graph.output[:]
    model.graph.output.extend(sorted(outputs, key=lambda value: _OUTPUTS.index(value.name)))
    onnx.helper.set_model_props(model, {METADATA_KEY: description.model_dump_json()})
    model.producer_name = "speechtune"
    content: bytes = model.SerializeToString()
    return content


def _golden(classifier: KeywordClassifier, description: OnnxDescription, content: bytes) -> Golden:
    """What the layers give: by torch, or for int8, whose rounding torch does not have, by the graph itself.

    Raises:
        CheckpointIncompatibleError: a layer of the fp32 graph gives something else than torch.
    """
    waveforms, precision = golden_windows(classifier.window_samples), description.precision
    with torch.inference_mode():
        outputs = classifier.layer_outputs(torch.from_numpy(waveforms).to(classifier.device))
    values = {name: output.cpu().numpy() for name, output in outputs.items()}
    by_graph = layer_values(content, waveforms, values, "export")
    if precision == "int8":
        values = by_graph
    about = About(
        checkpoint_digest=description.checkpoint_digest,
        model_sha256=sha256_of(content),
        precision=precision,
        sample_rate_hz=SAMPLE_RATE_HZ,
        layers=_layers(classifier, values, precision),
    )
    golden = Golden(about, waveforms, values)
    wrong = first_problem(compare(golden, by_graph))
    if wrong is not None:
        raise _unfaithful(f"{wrong.layer.name} {wrong.problem}")
    return golden


def _layers(
    classifier: KeywordClassifier, values: Mapping[str, NDArray[np.float32]], precision: Literal["fp32", "int8"]
) -> tuple[Layer, ...]:
    sizes = {
        "embedding": classifier.blocks,
        LOGITS_NAME: dict.fromkeys(classifier.labels.classes, 1),
        POSTERIORS_NAME: dict.fromkeys(classifier.labels.labels, 1),
    }
    return tuple(
        Layer(
            name=name,
            axes=("window", *_AXES.get(name, ("frame", "value"))),
            parts=parts_of(name, array, precision, sizes.get(name), is_exact=name in _FEATURES),
        )
        for name, array in values.items()
    )


def _unfaithful(where: str) -> CheckpointIncompatibleError:
    return CheckpointIncompatibleError(
        f"export: this encoder gives something else as ONNX ({where}); serve it with --backend torch"
    )


def _difference(expected: TorchScorer, actual: OnnxScorer) -> float:
    windows = golden_windows(expected.window_samples)
    return float(np.abs(expected.score(windows) - actual.score(windows)).max())


@contextmanager
def _quiet() -> Iterator[None]:
    """The tracer warns of every check that it leaves out, and of its own age; the quantiser logs a hint every time."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # torch's TracerWarning is a Warning of its own kind.
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
