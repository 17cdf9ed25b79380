"""speechtune: a few recordings of each command become a recogniser that streams.

A notebook needs this:

>>> import speechtune
>>> speechtune.Recipe(seed=3).seed
3

`finetune` makes a model, `evaluate` judges it, `load` opens it, `push_to_hub` gives it to others, and `Recipe` holds
every setting. They come when they are first used: importing this package imports nothing heavy; torch comes with what
needs it.

The steps, each a package and a command: choose an encoder (`models`), prepare clips (`data`, `record`), fine-tune
(`training`), evaluate (`evaluation`); `streaming` is the live recogniser that the evaluator and the server share.

Imports: `accelerate`, `av`, `datasets`, `espeakng_loader`, `filelock`, `grpc`, `huggingface_hub`, `jinja2`, `librosa`,
`numpy`, `onnx`, `onnxruntime`, `optuna`, `packaging`, `peft`, `psutil`, `pydantic`, `pyroomacoustics`, `rich`,
`safetensors`, `scipy`, `sounddevice`, `soundfile`, `soxr`, `starlette`, `tokenizers`, `tomli_w`, `torch`, `torchaudio`,
`transformers`, `typer`, `speechtune_client`, `speechtune_server`.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speechtune.front import evaluate, finetune, load, push_to_hub
    from speechtune.recipe import Recipe
    from speechtune.streaming.events import Detection

__all__ = ["Detection", "Recipe", "evaluate", "finetune", "load", "push_to_hub"]

# ONNX Runtime tells its maker about every process that loads it, from version 1.29 on, before a program can ask it not
# to. Ours do not, unless the variable says otherwise (0).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

_PLACES = {
    "Detection": "speechtune.streaming.events",
    "Recipe": "speechtune.recipe",
    "evaluate": "speechtune.front",
    "finetune": "speechtune.front",
    "load": "speechtune.front",
    "push_to_hub": "speechtune.front",
}
"""Name -> the module that it is imported from at its first use."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
