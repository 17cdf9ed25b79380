"""What the tests of training share."""

from __future__ import annotations

import pytest

from tests.support.encoders import save_random_model


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a small random Whisper."""
    folder = tmp_path_factory.mktemp("encoder")
    save_random_model("whisper", folder)
    return str(folder)
