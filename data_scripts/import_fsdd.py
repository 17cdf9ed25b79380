"""Make a manifest for a clone of the Free Spoken Digit Dataset, with its official test split.

    python -m data_scripts.import_fsdd FOLDER --out manifest.jsonl

FOLDER holds `recordings/{digit}_{speaker}_{index}.wav`; recordings 0 to 4 of each speaker and digit are the test, as
its README says. The same six people are on both sides of that split, and a note says so.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from data_scripts.importing import add_source, finish_import, source_folder
from speechtune.audio.files import SUFFIXES
from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.errors import ManifestError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)")
_NUM_TEST = 5
_NOTE = "the official test holds the same people as the training: nothing can be claimed from it for new people"


def import_fsdd(folder: Path) -> ClipSet:
    """The clips of a clone, labelled with the digits' words.

    Raises:
        ManifestError: no such folder.
    """
    recordings = folder / "recordings"
    clips = []
    for path in sorted(recordings.glob("*")) if recordings.is_dir() else ():
        match = _NAME.fullmatch(path.stem)
        if match and path.suffix.lower() in SUFFIXES:
            is_test = int(match["index"]) < _NUM_TEST
            label = WORDS[int(match["digit"])]
            clips.append(Clip(path, label, speaker=match["speaker"], split="test" if is_test else "train"))
    if not clips:
        raise ManifestError(f"{recordings}: holds no files like 7_jackson_32.wav; name the folder of the clone")
    return ClipSet(folder, tuple(clips), notes=(_NOTE,))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest; 0 if it is there, 2 if the folder is not what it should be."""
    parser = argparse.ArgumentParser(prog="import_fsdd", description=(__doc__ or "").splitlines()[0])
    add_source(parser, "the clone")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write, .jsonl or .csv")
    options = parser.parse_args(argv)
    return finish_import("import_fsdd", lambda: import_fsdd(source_folder(options, "recordings")), options.out)


if __name__ == "__main__":
    raise SystemExit(main())
