"""speechtune: a few recordings of each command become a recogniser that streams.

The steps, each a package and a command: choose an encoder (`models`), prepare clips (`data`, `record`), fine-tune
(`training`), evaluate (`evaluation`); `streaming` is the live recogniser that the evaluator and the server share.
Importing this package imports nothing heavy; torch comes with `models`, `training` and what needs them.

Imports: `accelerate`, `av`, `datasets`, `espeakng_loader`, `filelock`, `grpc`, `huggingface_hub`, `jinja2`, `librosa`,
`numpy`, `onnx`, `onnxruntime`, `optuna`, `peft`, `psutil`, `pydantic`, `pyroomacoustics`, `rich`, `safetensors`,
`scipy`, `sounddevice`, `soundfile`, `soxr`, `starlette`, `tokenizers`, `tomli_w`, `torch`, `torchaudio`,
`transformers`, `typer`, `speechtune_client`, `speechtune_server`.
"""

import os

# ONNX Runtime tells its maker about every process that loads it, from version 1.29 on, before a program can ask it not
# to. Ours do not, unless the variable says otherwise (0).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
