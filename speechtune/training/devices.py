"""Where training runs: the device, and which of several processes speaks for all."""

from __future__ import annotations

import os
from typing import Literal, get_args

import torch

from speechtune.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]


def is_main_process() -> bool:
    """Whether this process reports and saves; the only one, unless a launcher started several."""
    return os.environ.get("RANK", "0") == "0"


def parse_device(text: str) -> Device:
    """`auto`, `cpu` or `cuda`.

    Raises:
        ConfigError: anything else.
    """
    for device in get_args(Device):
        if text == device:
            found: Device = device
            return found
    raise ConfigError(f"device {text!r}: use {', '.join(get_args(Device))}")


def torch_device(device: Device) -> torch.device:
    """Where the encoder runs; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: `cuda` is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: torch finds no GPU here; use cpu or auto")
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
