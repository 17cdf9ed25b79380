"""The real recordings beside the repository, for tests that need them."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SPEECH_FOLDER = REPOSITORY.parent / "shared" / "data"

needs_speech = pytest.mark.skipif(
    not SPEECH_FOLDER.is_dir(),
    reason=f"the real recordings are not at {SPEECH_FOLDER.name}/ beside the repository",
)
