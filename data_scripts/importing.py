"""What every importer ends with: the manifest is written, its size told, an error of the input is one line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from speechtune.data.clips import ClipSet
from speechtune.data.manifest import write_manifest
from speechtune.errors import SpeechTuneError


def finish_import(program: str, make: Callable[[], ClipSet], out: Path) -> int:
    """Make a clip set and write its manifest to `out`; 0 if it is there, 2 if the input is at fault.

    The manifest appears whole or not at all: an import that was interrupted is run again.
    """
    try:
        clip_set = make()
        out.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(out, clip_set)
    except SpeechTuneError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    counts = Counter(clip.split for clip in clip_set.clips)
    splits = "".join(f", {counts[split]} {split}" for split in ("train", "valid", "test") if counts[split])
    print(
        f"{out}: {len(clip_set.clips)} clips, {len(clip_set.labels)} labels, {len(clip_set.speakers)} speakers{splits}"
    )
    for note in clip_set.notes:
        print(f"note: {note}")
    return 0
