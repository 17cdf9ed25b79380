"""A data set by its id, from a hub on this machine through the real client."""

import io
import os
import subprocess
import sys

import numpy as np
import pyarrow
import pyarrow.parquet

from speechtune.audio.files import read_audio
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips
from tests.support.clips import word_like, write_audio
from tests.support.hub import hub
from tests.support.speech import REPOSITORY


def table_of(paths):
    """Three clips whose audio lies in the table, as hubs keep it."""
    rows = [
        {"audio": {"bytes": path.read_bytes(), "path": path.name}, "label": label, "speaker": f"s{label}"}
        for path, label in zip(paths, ("yes", "no", "yes"), strict=True)
    ]
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), content)
    return content.getvalue()


_IMPORT = """
import sys
from speechtune.cli.app import run
print([run(["import-clips", source, "--out", sys.argv[1]]) for source in ("someone/words", "someone/else")])
"""


def test_a_data_set_is_imported_by_its_id_and_decoded_by_nobody_but_us(tmp_path):
    paths = [write_audio(tmp_path / f"{seed}.wav", word_like(seed)) for seed in range(3)]
    files = {"data/train-00000-of-00001.parquet": table_of(paths)}
    with hub("datasets", "someone/words", lambda: files) as address:
        environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [sys.executable, "-c", _IMPORT, str(tmp_path / "out")],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=110,
        )
    assert "3 clips, 2 labels, 2 speakers" in done.stdout
    assert "[0, 2]" in done.stdout
    assert "speechtune: someone/else: neither a folder here nor a data set" in done.stderr.splitlines()[-1]
    clips = load_clips(tmp_path / "out").clips
    assert [(clip.label, clip.speaker) for clip in clips] == [("yes", "syes"), ("no", "sno"), ("yes", "syes")]
    assert all(np.array_equal(read_clip(clip), read_audio(path)) for clip, path in zip(clips, paths, strict=True))
