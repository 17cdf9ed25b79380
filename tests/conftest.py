"""What holds for every test: nothing of the user who runs them is read or changed."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A machine that does other work too is no reason to fail: what must be quick measures its own time.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="session")
def own_lists(tmp_path_factory):
    """Locked clips and exports of this run alone, also in the programs that tests start."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHTUNE_LOCKS", str(folder / "locked_clips.txt"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield
