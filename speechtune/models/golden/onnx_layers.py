"""What the layers of an exported file give, by ONNX Runtime: the graph names them, and they become outputs too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError
from speechtune.models.scorers.onnx_scorer import INPUT_NAME, METADATA_KEY


def layer_values(
    content: bytes, waveforms: NDArray[np.float32], names: Iterable[str], where: str
) -> dict[str, NDArray[np.float32]]:
    """Name of a layer -> what it gives for float32[B, N], window by window, as a recogniser asks.

    Layers that the graph does not name are left out: a tool may have changed it.

    Args:
        content: the ONNX file.
        waveforms: the windows.
        names: of the layers.
        where: begins a message.

    Raises:
        CheckpointCorruptError: the file cannot be read or run.
        CheckpointIncompatibleError: it does not take waveforms.
    """
    import onnx
    import onnxruntime

    model = _loaded(content, where)
    if INPUT_NAME not in {value.name for value in model.graph.input}:
        raise CheckpointIncompatibleError(
            f"{where}: takes no {INPUT_NAME!r}, so speechtune did not export it; make one with speechtune export"
        )
    made = {name for node in model.graph.node for name in node.output}
    outputs = {value.name for value in model.graph.output}
    known = [name for name in names if name in made]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in known if name not in outputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        rows = [session.run(known, {INPUT_NAME: window[None]}) for window in waveforms]
    except Exception as error:  # every failure of the runtime has a class of its own, without a common one
        raise CheckpointCorruptError(f"{where}: cannot be run ({_reason(error)}); export it again") from error
    return {name: np.concatenate([row[place] for row in rows]) for place, name in enumerate(known)}


def exported_digest(content: bytes, where: str) -> str | None:
    """The digest of the checkpoint that an ONNX file says it is of; None: a tool has taken its description away.

    Raises:
        CheckpointCorruptError: the file cannot be read, or its description cannot.
    """
    described = {entry.key: entry.value for entry in _loaded(content, where).metadata_props}.get(METADATA_KEY)
    if described is None:
        return None
    try:
        return str(json.loads(described)["checkpoint_digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointCorruptError(f"{where}: its description cannot be read; export it again") from error


def _loaded(content: bytes, where: str) -> Any:
    import onnx

    try:
        return onnx.load_from_string(content)
    except Exception as error:  # protobuf's own, of several kinds
        raise CheckpointCorruptError(f"{where}: cannot be read ({_reason(error)}); export it again") from error


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
