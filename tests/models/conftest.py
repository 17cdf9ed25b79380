"""What the tests of the models share: one thread, the real encoder loaded once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from speechtune.models.encoders.encoder import SpeechEncoder
from speechtune.models.encoders.loading import load_encoder


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_en() -> SpeechEncoder:
    return load_encoder("whisper-tiny.en")
