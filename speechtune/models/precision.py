"""Where half the bits do the same work in a third of the time."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized


def half_precision(device: torch.device) -> torch.autocast:
    """A context in which matrices are multiplied in bfloat16 where `device` has instructions for it, else as ever.

    Good for embeddings that a head is trained on: measured, its accuracy does not change. Scoring does so only where it
    is asked to: a posterior would depend on the machine in its second decimal.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Whether `device` has instructions for bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def halve_weights(module: nn.Module) -> None:
    """Keep the weights of products as bfloat16, in place: inside `torch.autocast` the same answers, to the last bit.

    Autocast would make these halves anew at every call, which costs more than a small batch does.
    """
    for layer in module.modules():
        # A weight that is computed from others, as wav2vec2's position filters are, is halved once it is computed.
        if isinstance(layer, nn.Linear | nn.Conv1d) and not is_parametrized(layer):
            layer.to(torch.bfloat16)
